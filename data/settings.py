"""Settings from the environment or a ``.env`` file; a wrong value stops the start in one line."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing.errors import InputError

PREFIX = "USAGE_"
MASK = "••••••"


class Settings(BaseSettings):
    """Every setting, named ``USAGE_…`` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path("var"), description="where the ledger and analytics files live")
    database_url: str | None = Field(None, description="the truth; none: SQLite in the data dir")
    secret_key: SecretStr | None = Field(None, description="signs sessions, hashes numbers")
    base_url: str | None = Field(None, description="how people reach the product")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="how much is logged"
    )
    clock_file: Path | None = Field(None, description="demo and tests: a file that tells the time")
    session_hours: int = Field(12, ge=1, le=720, description="how long a sign-in lasts")
    sync_seconds: int = Field(10, ge=1, le=3600, description="how often analytics catch up")
    cookie_secure: bool = Field(False, description="send cookies over HTTPS only")

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def truth_url(self) -> str:
        """The database URL in effect."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.db'}"

    def shown(self) -> list[tuple[str, str]]:
        """Each setting's name and effective value, secrets masked."""
        rows = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            shown = MASK if isinstance(value, SecretStr) else str(value)
            rows.append((f"{PREFIX}{name}".upper(), "(not set)" if value is None else shown))
        return rows


def load_settings(**overrides: object) -> Settings:
    """Settings in effect; ``InputError`` names the first setting that is wrong."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{'.'.join(str(part) for part in first['loc'])}".upper()
        raise InputError(name, first.get("input"), first["msg"].lower()) from None


def effective_settings(settings: Settings, host: str, port: int) -> Settings:
    """Settings of a server: without a base URL of its own, people reach it where it listens."""
    base_url = settings.base_url or f"http://{host}:{port}"
    return settings.model_copy(update={"base_url": base_url})


def configure_logging(level: str) -> None:
    """Plain logging of the standard library at the level asked for."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
