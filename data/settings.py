"""Settings from the environment or a ``.env`` file; a wrong value stops the start in one line."""

from __future__ import annotations

import difflib
import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from billing.errors import InputError
from data.logs import LogFormat

PREFIX = "USAGE_"
ENV_FILE = ".env"
MASK = "••••••"
# Not settings, but names that tests and crash points of the product listen to.
ALSO_KNOWN = ("USAGE_KILL_AT", "USAGE_PHASE_LOG", "USAGE_REAL_DATA")
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """Every setting, named ``USAGE_…`` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True
    )

    data_dir: Path = Field(Path("var"), description="where the ledger and analytics files live")
    database_url: str | None = Field(None, description="the truth; none: SQLite in the data dir")
    secret_key: SecretStr | None = Field(None, description="signs sessions, hashes numbers")
    base_url: str | None = Field(None, description="how people reach the product")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="how much is logged"
    )
    log_format: LogFormat = Field("auto", description="auto: text on a terminal, else JSON")
    clock_file: Path | None = Field(None, description="demo and tests: a file that tells the time")
    session_hours: int = Field(12, ge=1, le=720, description="how long a sign-in lasts")
    sync_seconds: int = Field(10, ge=1, le=3600, description="how often analytics catch up")
    close_after_hours: int = Field(
        72, ge=1, le=720, description="how long after its end a billing period is closed"
    )
    cookie_secure: bool = Field(False, description="send cookies over HTTPS only")
    trusted_proxies: str | None = Field(
        None, description="proxies whose X-Forwarded-For and -Proto are believed, by commas"
    )
    allow_private_webhooks: bool = Field(
        False, description="send webhooks to this machine and its network, over http too"
    )
    smtp_url: SecretStr | None = Field(
        None, description="where e-mail goes: smtp://user:password@host:port, or smtps://"
    )
    mail_from: str | None = Field(
        None, validate_default=True, description="the sender of e-mail; none: the SMTP user"
    )
    sms_url: SecretStr | None = Field(
        None, description="who sends SMS, as an Apprise address with {to} for the number"
    )
    approval_limit: int = Field(
        500, ge=0, le=10**9,
        description="what support may refund, adjust and grant an account a day, in its currency",
    )  # fmt: skip

    @field_validator("data_dir", mode="after")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("base_url", mode="after")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
            raise ValueError("use an address such as https://usage.example")
        return value.rstrip("/")

    @field_validator("smtp_url", mode="after")
    @classmethod
    def _is_a_mail_server(cls, value: SecretStr | None) -> SecretStr | None:
        from data.notices.mailing import mail_server  # seldom needed

        if value is not None:
            mail_server(value.get_secret_value())
        return value

    @field_validator("mail_from", mode="after")
    @classmethod
    def _is_a_sender(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("smtp_url") is None:
            return None
        sender = value or _mail_user(info.data["smtp_url"])
        address = parseaddr(sender)[1]
        if not sender.isprintable() or not sender.isascii() or not _ADDRESS.fullmatch(address):
            fix = "use an address such as alerts@usage.example, or Usage <alerts@usage.example>"
            raise InputError("USAGE_MAIL_FROM", value or "(not set)", fix)
        return value

    @field_validator("sms_url", mode="after")
    @classmethod
    def _is_an_sms_provider(cls, value: SecretStr | None) -> SecretStr | None:
        from data.notices.texting import check_sms_url  # seldom needed

        if value is not None:
            check_sms_url(value.get_secret_value())
        return value

    @field_validator("trusted_proxies", mode="after")
    @classmethod
    def _are_networks(cls, value: str | None) -> str | None:
        if value is not None:
            list(_networks(value))
        return value

    @property
    def truth_url(self) -> str:
        """The database URL in effect."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.db'}"

    @property
    def sender(self) -> str | None:
        """Whom e-mail comes from; none where it isn't set up."""
        if self.smtp_url is None:
            return None
        return self.mail_from or _mail_user(self.smtp_url)

    @property
    def proxy_networks(self) -> tuple[Network, ...]:
        """Where a direct peer must come from for its forwarding headers to be believed."""
        return tuple(_networks(self.trusted_proxies or ""))

    @property
    def is_always_secure(self) -> bool:
        """Whether cookies may travel over HTTPS alone, however a request seems to come."""
        return self.cookie_secure or (self.base_url or "").startswith("https://")

    def shown(self) -> list[tuple[str, str]]:
        """Each setting's name and effective value, secrets masked."""
        rows = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            shown = MASK if isinstance(value, SecretStr) else without_password(str(value))
            rows.append((f"{PREFIX}{name}".upper(), "(not set)" if value is None else shown))
        return rows


def load_settings(**overrides: Any) -> Settings:
    """Settings in effect; ``InputError`` names the first setting that is wrong or unknown."""
    _refuse_unknown(os.environ, "the environment")
    file = overrides.get("_env_file", ENV_FILE)
    if file is not None:
        _refuse_unknown(dotenv_values(file), str(file))
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{'.'.join(str(part) for part in first['loc'])}".upper()
        fix = first["msg"].removeprefix("Value error, ")
        fix = fix[:1].lower() + fix[1:]
        is_secret = "SecretStr" in str(Settings.model_fields[str(first["loc"][0])].annotation)
        shown = MASK if is_secret else without_password(str(first.get("input")))
        raise InputError(name, shown, fix) from None


def effective_settings(settings: Settings, host: str, port: int) -> Settings:
    """Settings of a server: without a base URL of its own, people reach it where it listens."""
    shown = f"[{host}]" if ":" in host else host
    base_url = settings.base_url or f"http://{shown}:{port}"
    return settings.model_copy(update={"base_url": base_url})


def without_password(text: str) -> str:
    """The text with the password of any URL in it masked."""
    return re.sub(r"((?:^|//)[^:/@\s]*):[^/\s]*@", rf"\1:{MASK}@", text)


def _mail_user(url: SecretStr) -> str:
    return unquote(urlsplit(url.get_secret_value()).username or "")


def _refuse_unknown(given: Mapping[str, object], where: str) -> None:
    """A name nobody reads is a slip that would go unnoticed: it stops the start."""
    known = [f"{PREFIX}{name}".upper() for name in Settings.model_fields]
    for name in sorted(given):
        if not name.upper().startswith(PREFIX) or name.upper() in {*known, *ALSO_KNOWN}:
            continue
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
        fix = f"did you mean {near[0]}?" if near else "take it away, no setting has this name"
        # Its value may be a secret under a wrong name, so it isn't shown.
        raise InputError(f"the name in {where}", name, fix)


def _networks(text: str) -> Iterator[Network]:
    """The networks of a list by commas; ``ValueError`` for anything that isn't one."""
    for part in filter(None, (each.strip() for each in text.split(","))):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            raise ValueError(
                f"{part!r} is no address; use such as 10.0.0.5 or 10.0.0.0/8, by commas"
            ) from None
        if network.prefixlen == 0:
            raise ValueError(f"{part!r} is everybody: name your proxies alone")
        yield network
