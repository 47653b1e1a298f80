"""What a backup says of itself, and how that is read back from a file nobody vouches for."""

from __future__ import annotations

from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from billing.errors import InputError, ProductError
from data.settings import without_password
from data.tables import events, facts, receipts, usage_lines, wallet_entries

FORMAT = 1
PRODUCT = "usage-dashboard"
MANIFEST = "manifest.json"
SECRET = "secret.key"
LEDGER_ID = "ledger_id"  # the fact that ties analytics to a ledger
LEDGERS = {"sqlite": "ledger.db", "postgresql": "ledger.dump"}
MOST_MANIFEST_BYTES = 64 * 1024
_COUNTED = (events, usage_lines, receipts, wallet_entries)


class BackupError(ProductError):
    """A backup can't be made, or one can't be restored; says why, and what was left alone."""

    code = "backup_unusable"


class Part(BaseModel):
    """One part: its name, size and SHA-256 in hexadecimal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Contents(BaseModel):
    """How far a ledger had come. ``ledger_id``: none if analytics were never opened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    revision: str = Field(pattern=r"^[0-9]{4,8}$")
    ledger_id: str | None = Field(max_length=64)
    counts: dict[str, int]


class Manifest(BaseModel):
    """The file ``manifest.json`` of a backup."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    product: Literal["usage-dashboard"]
    format: int
    version: str = Field(max_length=64)
    made_at: datetime
    dialect: Literal["sqlite", "postgresql"]
    contents: Contents
    parts: tuple[Part, ...] = Field(max_length=8)

    def part(self, name: str) -> Part:
        """A part by its name; a manifest that was read has both."""
        return next(part for part in self.parts if part.name == name)

    @property
    def ledger(self) -> Part:
        """The part that holds the ledger."""
        return self.part(LEDGERS[self.dialect])


def read_manifest(text_read: bytes) -> Manifest:
    """A manifest, complete and of a format that this version knows. Errors: ``BackupError``."""
    try:
        manifest = Manifest.model_validate_json(text_read)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "it"
        raise BackupError(
            f"The backup's {MANIFEST} can't be read: {where}: {first['msg']}."
        ) from None
    if manifest.format != FORMAT:
        raise BackupError(
            f"The backup has format {manifest.format}, this version reads {FORMAT}: "
            f"restore it with version {manifest.version} or newer."
        )
    names = sorted(part.name for part in manifest.parts)
    if names != sorted((LEDGERS[manifest.dialect], SECRET)):
        raise BackupError(f"The backup's {MANIFEST} names other parts than a backup has.")
    return manifest


def read_contents(connection: Connection) -> Contents:
    """How far the ledger in the connection's snapshot has come."""
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    counts = {
        table.name: int(connection.scalar(select(func.count()).select_from(table)) or 0)
        for table in _COUNTED
    }
    identity = connection.scalar(select(facts.c.value).where(facts.c.name == LEDGER_ID))
    return Contents(revision=str(revision), ledger_id=identity, counts=counts)


def compare(found: Contents, said: Contents) -> None:
    """Refuses a ledger that isn't what the manifest says. Errors: ``BackupError``."""
    if found != said:
        raise BackupError(
            f"The backup's ledger isn't what its {MANIFEST} says: {_shown(found)} instead of "
            f"{_shown(said)}."
        )


def dialect_of(url: str) -> str:
    """``sqlite`` or ``postgresql``. Errors: ``InputError`` for another address."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() not in LEDGERS or not parsed.database:
        raise InputError(
            "USAGE_DATABASE_URL", without_password(url),
            "use sqlite:///PATH/TO/FILE or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE",
        )  # fmt: skip
    return parsed.get_backend_name()


def product_version() -> str:
    """The version of this program."""
    try:
        return version(PRODUCT)
    except PackageNotFoundError:
        return "unknown"


def _shown(contents: Contents) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in sorted(contents.counts.items()))
    return f"{counts}, schema {contents.revision}, ledger {contents.ledger_id}"
