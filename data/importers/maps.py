"""Column maps: what a log's columns mean, in a TOML file of ours or of one's own.

A map names the file's format, the kind of event each row is, where each field comes from, and
how rows are told apart. It must not know any account or price.
"""

from __future__ import annotations

import codecs
import tomllib
from collections.abc import Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from billing.errors import InputError
from billing.periods import zone
from data.importers.fields import EVENT_FIELDS, REQUIRED_ONE_OF, check_constant

BUILT_IN = Path(__file__).parent.parent / "maps"
LARGEST_MAP_BYTES = 100_000
ACCOUNT_ZONE = "account"
NAMED_PATTERNS = ("iso", "epoch", "epoch-micros", "rfc2822")
# A line must be found by its end before it is decoded, so these won't do.
_UNFIT_ENCODINGS = ("utf-16", "utf-32", "utf-7", "utf_16", "utf_32", "idna", "punycode", "cp037")

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[a-z0-9][a-z0-9._-]*$")]
Column = Annotated[str, Field(min_length=1, max_length=255)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileFormat(_Table):
    """How rows lie in the file. ``columns``: those needed of a header, or all in order.

    A header's names are compared by letters and digits where the exact one isn't there;
    ``aliases``: other names of a column. ``layouts``: other orders of a file without a header;
    with them a heading that has the needed columns is understood as well.
    """

    columns: list[Column] = Field(min_length=1)
    header: bool = True
    aliases: dict[Column, Column] = {}
    layouts: list[list[Column]] = []
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    quoting: bool = True
    multiline: bool = False
    encoding: str = "utf-8"
    member: str | None = None


class FieldRule(_Table):
    """Where a field comes from: a column, maybe translated or replaced by a pseudonym.

    ``none``: values that mean nothing is known. With ``values`` any other value becomes
    ``otherwise``, or is refused where there is none. ``inbound``: the column for inbound rows.
    ``refuse``: beginnings of values that make the row something else, such as ``whatsapp:``.
    """

    column: Column
    inbound: Column | None = None
    values: dict[str, str] | None = None
    otherwise: str | None = None
    none: list[str] = []
    refuse: list[str] = []
    pseudonym: Name | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it reads."""
        return (self.column, self.inbound) if self.inbound else (self.column,)


class AnsweredRule(_Table):
    """Only rows with one of ``values`` talked; all others count no seconds.

    ``others``: values of rows that didn't talk; any third value is refused, such as that of a
    call that isn't over. Without ``values`` all rows talked that have something else there.
    """

    column: Column
    values: list[str] = []
    others: list[str] = []


class TimeRule(_Table):
    """When a row happened: columns read by patterns, or a derivation that invents the time.

    Patterns are those of ``strptime``, or ``iso``, ``epoch``, ``epoch-micros``, ``rfc2822``.
    """

    zone: str
    columns: list[Column] = []
    patterns: list[str] = []
    derivation: Literal["day-and-month", "weekday-and-month", "every-minute"] | None = None
    first_year: Annotated[int, Field(ge=1990, le=2100)] | None = None


class IdentityRule(_Table):
    """The columns that tell rows apart for ever; none: a hash of the row and its ordinal.

    ``more``: columns that tell apart rows of the same key; they may be empty and are only kept
    as a hash.
    """

    columns: list[Column] = []
    more: list[Column] = []


class DestinationRule(_Table):
    """What a row without a number is priced as, and how numbers without a sign are read.

    ``region``: the country they are written in. ``has_country_code``: they begin with one.
    ``callers = "any"``: who calls needs no number (a name, a short code): it counts without one.
    """

    default: Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,14}$")] | None = None
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    has_country_code: bool = False
    callers: Literal["known", "any"] = "known"


def _field_rule(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


class ColumnMap(_Table):
    """One log format. ``source`` is half of each row's identity, whatever the file is called."""

    name: Name
    about: str = ""
    source: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    type: Literal["call", "sms", "whatsapp", "voicemail", "usage-line"]
    file: FileFormat
    constants: dict[str, str | bool] = {}
    fields: dict[str, Annotated[FieldRule, BeforeValidator(_field_rule)]] = {}
    answered: AnsweredRule | None = None
    time: TimeRule
    identity: IdentityRule = IdentityRule()
    destination: DestinationRule = DestinationRule()

    @cached_property
    def event_source(self) -> str:
        """The source of every event it makes."""
        return self.source or self.name

    def used_columns(self) -> Iterator[tuple[str, str]]:
        """(key, column) for every column that anything refers to."""
        for name, rule in self.fields.items():
            yield from ((f"fields.{name}", column) for column in rule.columns)
        yield from (("time.columns", column) for column in self.time.columns)
        yield from (("identity.columns", column) for column in self.identity.columns)
        yield from (("identity.more", column) for column in self.identity.more)
        if self.answered:
            yield "answered.column", self.answered.column

    @cached_property
    def needed_columns(self) -> frozenset[str]:
        """The columns no row can do without: all that are used, but for its identity's."""
        used = (column for key, column in self.used_columns() if key != "identity.columns")
        return frozenset(used)


def built_in_maps() -> tuple[str, ...]:
    """Names of the maps that come with the product, in alphabetical order."""
    return tuple(sorted(file.stem for file in BUILT_IN.glob("*.toml")))


def load_map(name_or_path: str) -> ColumnMap:
    """A built-in map by name, or one's own from a TOML file.

    Errors: ``InputError`` with file, key, value and fix.
    """
    if name_or_path in built_in_maps():
        return read_map(BUILT_IN / f"{name_or_path}.toml")
    path = Path(name_or_path).expanduser()
    if path.suffix.lower() != ".toml":
        known = ", ".join(built_in_maps())
        raise InputError("map", name_or_path, f"use one of {known}, or the path of a .toml file")
    if not path.is_file():
        raise InputError("map", name_or_path, "there is no such file")
    return read_map(path)


def read_map(path: Path) -> ColumnMap:
    """The map in a TOML file, checked as a whole."""
    try:
        if path.stat().st_size > LARGEST_MAP_BYTES:
            raise InputError("map", path.name, f"use a file below {LARGEST_MAP_BYTES:,} bytes")
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError("map", path.name, f"this is not valid TOML: {error}") from None
    except OSError as error:
        raise InputError("map", path.name, f"it can't be read: {error.strerror}") from None
    try:
        found = ColumnMap.model_validate(table)
    except ValidationError as error:
        raise _first_problem(path, error) from None
    _check(path, found)
    return found


def _first_problem(path: Path, error: ValidationError) -> InputError:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return InputError(f"{path.name}: {key}", problem["input"], "no such key: leave it out")
    if problem["type"] == "missing":
        return InputError(f"{path.name}: {key}", "(missing)", "add this key")
    return InputError(f"{path.name}: {key}", problem["input"], problem["msg"].lower())


def _check(path: Path, found: ColumnMap) -> None:
    """What types can't say: names that must exist, keys that exclude or need each other."""

    def refuse(key: str, value: object, fix: str) -> InputError:
        return InputError(f"{path.name}: {key}", value, fix)

    columns = found.file.columns
    doubled = {column for column in columns if columns.count(column) > 1}
    if doubled:
        raise refuse("file.columns", min(doubled), "name each column once")
    for key, column in found.used_columns():
        if column not in columns:
            raise refuse(key, column, f"use one of file.columns: {', '.join(columns)}")
    _check_layouts(refuse, found)
    _check_encoding(refuse, found.file)
    _check_fields(refuse, found)
    _check_time(refuse, found.time)


def _check_layouts(refuse: Any, found: ColumnMap) -> None:
    file = found.file
    for column in file.aliases.values():
        if column not in file.columns:
            raise refuse("file.aliases", column, "use one of file.columns")
    if file.layouts and file.header:
        raise refuse("file.layouts", "(given)", "leave them out: this file has a header")
    for layout in file.layouts:
        lacking = found.needed_columns - set(layout)
        if lacking:
            raise refuse("file.layouts", min(lacking), "give every layout this column")
        if len(set(layout)) < len(layout):
            raise refuse("file.layouts", layout, "name each column once")
    answered = found.answered
    if answered and not answered.values and not answered.others:
        raise refuse("answered.values", "(missing)", "give values or others")


def _check_encoding(refuse: Any, file: FileFormat) -> None:
    try:
        name = codecs.lookup(file.encoding).name
        ascii_stays = "a;\n".encode(name) == b"a;\n"
    except (LookupError, UnicodeError):
        ascii_stays, name = False, file.encoding
    if not ascii_stays or name.startswith(_UNFIT_ENCODINGS):
        raise refuse("file.encoding", file.encoding, "use utf-8, latin-1, cp1252 or another "
                     "encoding that contains ASCII")  # fmt: skip
    if file.delimiter in '\r\n"' or not file.delimiter.isascii():
        raise refuse("file.delimiter", file.delimiter, "use one character such as , ; or a tab")


def _check_fields(refuse: Any, found: ColumnMap) -> None:
    known = EVENT_FIELDS[found.type]
    for key in ("constants", "fields"):
        for name in getattr(found, key):
            if name not in known:
                raise refuse(f"{key}.{name}", name, f"use one of {', '.join(known)}")
    for name, value in found.constants.items():
        if name in found.fields:
            raise refuse(f"constants.{name}", value, "it is a field already: keep one of the two")
        try:
            check_constant(found.type, name, value)
        except InputError as error:
            raise refuse(f"constants.{name}", value, error.fix) from None
    for name, rule in found.fields.items():
        _check_translation(refuse, found.type, name, rule)
    given = {*found.constants, *found.fields}
    for names in REQUIRED_ONE_OF[found.type]:
        if not given & set(names):
            raise refuse(f"fields.{names[0]}", "(missing)", f"give {' or '.join(names)}")
    if found.answered and "duration" not in found.fields:
        raise refuse("answered", found.answered.column, "it needs fields.duration")


def _check_translation(refuse: Any, event_type: str, name: str, rule: FieldRule) -> None:
    """What a column's values become must be something its field can hold."""
    kind = EVENT_FIELDS[event_type][name]
    if kind.is_text_only and (rule.pseudonym or rule.values):
        key = "pseudonym" if rule.pseudonym else "values"
        raise refuse(f"fields.{name}.{key}", rule.column, "leave it out: this field is counted")
    if rule.otherwise is not None and rule.values is None:
        raise refuse(f"fields.{name}.otherwise", rule.otherwise, "it needs values")
    for value in [*(rule.values or {}).values(), rule.otherwise]:
        if value is None:
            continue
        try:
            check_constant(event_type, name, value)
        except InputError as error:
            raise refuse(f"fields.{name}.values", value, error.fix) from None


def _check_time(refuse: Any, rule: TimeRule) -> None:
    if rule.zone != ACCOUNT_ZONE:
        try:
            zone(rule.zone)
        except InputError as error:
            raise refuse("time.zone", rule.zone, f"{error.fix}, or {ACCOUNT_ZONE!r}") from None
    if rule.derivation is None:
        if not rule.columns or not rule.patterns:
            raise refuse("time", "(missing)", "give columns and patterns, or a derivation")
        for pattern in rule.patterns:
            if pattern not in NAMED_PATTERNS and not _is_pattern(pattern):
                fix = f"use a strptime pattern with a date, or one of {', '.join(NAMED_PATTERNS)}"
                raise refuse("time.patterns", pattern, fix)
        return
    wanted = 0 if rule.derivation == "every-minute" else 2
    if len(rule.columns) != wanted:
        raise refuse("time.columns", rule.columns, f"{rule.derivation} needs {wanted} columns")
    if bool(wanted) != (rule.first_year is not None):
        fix = "give the year of the first row" if wanted else "leave it out here"
        raise refuse("time.first_year", rule.first_year, fix)
    if rule.patterns:
        raise refuse("time.patterns", rule.patterns, "leave them out beside a derivation")


def _is_pattern(pattern: str) -> bool:
    """Whether a strptime pattern reads back what it writes, to the day."""
    sample = datetime(2023, 10, 17, 21, 43, 58)  # noqa: DTZ001 - only its fields are compared
    try:
        read = datetime.strptime(sample.strftime(pattern), pattern)  # noqa: DTZ007
    except ValueError:
        return False
    return read.date() == sample.date()
