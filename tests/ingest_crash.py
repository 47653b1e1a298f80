"""Serves an installation in a process of its own that is killed at a phase, the nth time.

A phase of ``none`` never comes. Phases passed go to FOLDER/phases.
"""

from pathlib import Path

from api.listening import listen_at
from api.server import build_server, serve
from data.installation import open_installation
from data.settings import load_settings
from tests.databases import settings_url
from tests.import_crash import kill_at

SECRET = "s" * 40


def settings_of(folder: Path):
    return load_settings(
        data_dir=folder / "data",
        database_url=settings_url(folder),
        secret_key=SECRET,
        sync_seconds=1,
        _env_file=None,
    )


def main(folder: Path, port: int, phase: str, nth: int) -> None:
    kill_at(folder, phase, nth)
    with listen_at("127.0.0.1", port) as sockets:
        serve(build_server(open_installation(settings_of(folder))), sockets, "WARNING")
