"""Errors a person may read: each names the field, the value and the fix.

Must not know who shows them: a command prints one, a screen shows one, the API turns one into a
problem document by its ``code``.
"""

from __future__ import annotations

SHOWN_VALUE_LENGTH = 80


class ProductError(Exception):
    """A refusal with a stable ``code`` and a sentence for the person who caused it."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InputError(ProductError):
    """A value that can't be taken: which field, what it was, how to mend it."""

    code = "invalid"

    def __init__(self, field: str, value: object, fix: str, *, code: str | None = None) -> None:
        shown = shorten(str(value))
        super().__init__(f"{field} {shown!r} is not valid: {fix}", code=code)
        self.field = field
        self.value = shown
        self.fix = fix


class NotFoundError(ProductError):
    """Something that isn't there, or that the caller may not know is there."""

    code = "not_found"


class NotAllowedError(ProductError):
    """The person or plan may not see or do this."""

    code = "not_allowed"


def shorten(text: str, length: int = SHOWN_VALUE_LENGTH) -> str:
    """The text, cut with an ellipsis so that a hostile value can't flood a message.

    Half of a surrogate pair becomes a question mark: no answer could carry it.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= length else text[: length - 1] + "…"
