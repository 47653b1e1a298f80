"""What an import refuses: a whole file before anything is written, or one row of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from billing.errors import InputError, ProductError, shorten

# What may say who somebody is, or what they wrote: never repeated in a message or a file.
PERSONAL_FIELDS = frozenset(
    {"to", "from", "number", "counterparty", "consumer", "campaign", "source", "id", "text"}
)
LONGEST_SHOWN = 40
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class FileRefusedError(ProductError):
    """The file isn't what it should be: nothing of it was taken."""

    code = "file_refused"

    def __init__(self, file: Path, problem: str, fix: str, line: int | None = None) -> None:
        where = f"{file.name}, line {line:,}" if line else file.name
        super().__init__(f"{where}: {problem}. {fix}")
        self.file = file
        self.line = line


class PrivateInputError(InputError):
    """A refused value that may be personal: the message doesn't repeat it."""

    def __init__(self, field: str, fix: str) -> None:
        super().__init__(field, "(hidden)", fix)


class OtherServiceError(PrivateInputError):
    """The row is of another service than its map's."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused row: its line in the file, the field, the value where it may be shown, the fix.

    ``value`` is none for anything that could be a number, a name or a message.
    """

    line: int
    field: str
    value: str | None
    fix: str

    def __str__(self) -> str:
        shown = f" {self.value!r}" if self.value is not None else ""
        return f"line {self.line:,}: {self.field}{shown}: {self.fix}"

    def cells(self) -> tuple[str, str, str]:
        """Line, field and reason for the file of rejected rows: no value, no formula."""
        return str(self.line), _plain(self.field), _plain(self.fix)


def rejection(line: int, error: ProductError) -> Rejection:
    """What a refusal of one row says about it."""
    if isinstance(error, PrivateInputError) or (
        isinstance(error, InputError) and error.field in PERSONAL_FIELDS
    ):
        return Rejection(line, error.field, None, error.fix)
    if isinstance(error, InputError):
        return Rejection(line, error.field, shorten(error.value, LONGEST_SHOWN), error.fix)
    if error.code == "unknown_destination":
        fix = "add the destination's prefix to the price list, or give --destination"
        return Rejection(line, "to", None, fix)
    return Rejection(line, error.code, None, error.message)


def _plain(text: str) -> str:
    text = " ".join(text.split())
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
