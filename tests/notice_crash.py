"""Serves an installation that mails, in a process of its own that is killed at a phase.

Its time is what a file says, so that a claim of the process before it can have lapsed. A phase of
``none`` never comes. Phases passed go to FOLDER/phases.
"""

from pathlib import Path

from api.listening import listen_at
from api.server import build_server, serve
from components.notice_words import words
from data.installation import open_installation
from data.settings import Settings, load_settings
from tests.databases import settings_url
from tests.import_crash import kill_at

SECRET = "s" * 40


def settings_of(folder: Path, mail_port: int, sms_port: int) -> Settings:
    return load_settings(
        data_dir=folder / "data", database_url=settings_url(folder), secret_key=SECRET,
        sync_seconds=3600, clock_file=folder / "clock", base_url="https://usage.example",
        smtp_url=f"smtp://127.0.0.1:{mail_port}", mail_from="alerts@usage.example",
        sms_url=f"json://127.0.0.1:{sms_port}/{{to}}", _env_file=None,
    )  # fmt: skip


def main(folder: Path, port: int, phase: str, mail_port: int, sms_port: int) -> None:
    kill_at(folder, phase, 1)
    installation = open_installation(settings_of(folder, mail_port, sms_port), is_demo=True)
    with listen_at("127.0.0.1", port) as sockets:
        serve(build_server(installation, words=words), sockets, "WARNING")
