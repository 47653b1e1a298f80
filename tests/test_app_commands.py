"""The commands, as somebody types them: their answers, errors and exit codes."""

import contextlib
import csv
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import app

ROOT = Path(__file__).parents[1]
PRICES = "metric,prefix,price,per,minimum,increment\nhuman_dial_attempts,,0,attempt,,\n" + (
    "human_connected_minutes,1,0.012,minute,60,60\nsms_credits,,0.0065,segment,,\n"
)
CALLS = "day;month;duration;campaign\n5;may;261;1\n5;may;0;2\n5;may;0;2\n6;may;60;1\n7;may;61;1\n"


@pytest.fixture
def usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command of the product in an installation of its own."""
    for name in [name for name in os.environ if name.startswith("USAGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("USAGE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def run(*words: str, code: int = 0, **settings: str) -> str:
        with monkeypatch.context() as patched:
            patched.setattr(sys, "argv", ["usage-dashboard", *words])
            for name, value in settings.items():
                patched.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                app.main()
        told = "".join(capsys.readouterr())
        assert (ended.value.code or 0) == code, told
        return told

    return run


def prepare(usage, tmp_path: Path) -> None:
    """An account with a price list and a small log, imported."""
    (tmp_path / "prices.csv").write_text(PRICES)
    (tmp_path / "calls.csv").write_text(CALLS)
    usage(
        "account", "add", "acme", "--name", "Acme", "--plan", "growth", "--currency", "usd",
        "--timezone", "Europe/Lisbon",
    )  # fmt: skip
    usage("rates", "import", "prices.csv", "--currency", "USD", "--valid-from", "always")
    told = usage("import", "calls.csv", "--account", "acme", "--map", "bank-full", "--fund")
    assert "5 rows read, 5 accepted, 0 duplicate, 0 rejected" in told
    assert "8 usage lines, 0.096 USD from 2008-05-05 to 2008-05-07" in told


def test_the_program_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py"), "verify", "--account", "nobody"],
        env={**os.environ, "USAGE_DATA_DIR": str(tmp_path)}, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no account 'nobody'" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_from_an_account_to_a_proof(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    again = usage("import", "calls.csv", "--account", "acme", "--map", "bank-full")
    assert "0 accepted, 5 duplicate" in again
    assert "✗" not in usage("verify", "--account", "acme")
    assert "Analytics rebuilt from 8 usage lines" in usage("rebuild")
    assert "✗" not in usage("verify")
    usage(
        "export", "--account", "acme", "--from", "2008-05-05", "--to", "2008-05-08", "-o", "x.csv"
    )
    with (tmp_path / "x.csv").open(encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    assert sum(int(line["cost_micros"]) for line in lines) == 96_000
    assert len(lines) == 8


def test_a_person_and_a_key_are_made_and_shown_once(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    told = usage("user", "add", "owner@acme.example", "--role", "owner", "--account", "acme")
    assert "Password (shown once)" in told
    assert "Key (shown once)" in usage("key", "add", "--account", "acme", "--scope", "usage:read")


def test_a_key_is_listed_and_revoked(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    assert "No key yet" in usage("key", "list", "--account", "acme")
    shown = usage("key", "add", "--account", "acme", "--scope", "usage:read").split()[-1]
    usage("key", "add", "--account", "*", "--scope", "support")
    listed = usage("key", "list", "--account", "acme")
    assert shown not in listed
    assert shown[:12] in listed
    assert "usage:read" in listed
    assert "revoked" not in listed
    (line,) = listed.splitlines()
    key_id = line.split()[0]
    usage("key", "revoke", key_id, "--account", "*", code=2)
    assert "revoked" not in usage("key", "list", "--account", "acme")
    for _ in range(2):
        assert "opens nothing" in usage("key", "revoke", key_id, "--account", "acme")
    assert "revoked" in usage("key", "list", "--account", "acme")
    assert "support" in usage("key", "list", "--account", "*")
    assert "no account 'nobody'" in usage("key", "list", "--account", "nobody", code=2)
    with sqlite3.connect(tmp_path / "data" / "ledger.db") as ledger:
        noted = ledger.execute(
            "SELECT actor, account_id, action FROM audit ORDER BY rowid"
        ).fetchall()
    assert noted[:2] == [("command", "acme", "key_added"), ("command", None, "key_added")]
    assert ("command", "acme", "key_revoked") in noted


def test_a_top_up_repays_debt_first(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    (tmp_path / "more.csv").write_text(CALLS.replace("may", "jun"))
    told = usage("import", "more.csv", "--account", "acme", "--map", "bank-full")
    assert "overdrawn" in told
    assert "acme: balance now 9.904" in usage("account", "top-up", "acme", "--amount", "10")
    assert "✗" not in usage("verify")


def test_an_upgrade_shows_history_from_its_day_on(usage, tmp_path: Path) -> None:
    usage(
        "account", "add", "grown", "--name", "Grown", "--plan", "free", "--currency", "usd",
        "--timezone", "UTC",
    )  # fmt: skip
    told = usage("account", "plan", "grown", "--plan", "growth", "--from", "2026-11-01")
    assert "grown: Growth plan from 2026-11-01." in told
    with sqlite3.connect(tmp_path / "data" / "ledger.db") as ledger:
        assert ledger.execute("SELECT paid_since FROM accounts").fetchone() == ("2026-11-01",)
    told = usage("account", "plan", "grown", "--plan", "growth", code=2)
    assert "plan 'growth'" in told


REFUSALS = [
    (["account", "top-up", "acme", "--amount", "-5"], "amount"),
    (["account", "top-up", "acme", "--amount", "NaN"], "amount 'NaN'"),
    (["export", "--account", "acme", "--from", "2008-05-01", "--to", "2008-06-01", "-o", "."],
     "output '.'"),
    (["account", "add", "ac", "--name", "A", "--plan", "gold", "--currency", "USD",
      "--timezone", "UTC"], "plan 'gold'"),
    (["account", "add", "ac", "--name", "A", "--plan", "free", "--currency", "XXX",
      "--timezone", "UTC"], "currency 'XXX'"),
    (["account", "add", "ac", "--name", "A", "--plan", "free", "--currency", "USD",
      "--timezone", "Mars/Base"], "time zone 'Mars/Base'"),
    (["account", "add", "ac", "--name", "A", "--plan", "free", "--currency", "USD",
      "--timezone", "UTC", "--anchor-day", "32"], "anchor day '32'"),
    (["account", "add", "../x", "--name", "A", "--plan", "free", "--currency", "USD",
      "--timezone", "UTC"], "account '../x'"),
    (["user", "add", "x@y.example", "--role", "king", "--account", "acme"], "role 'king'"),
    (["key", "add", "--account", "acme", "--scope", "everything"], "everything"),
    (["import", "calls.csv", "--account", "nobody", "--map", "bank-full"], "no account 'nobody'"),
    (["import", "calls.csv", "--account", "acme", "--map", "martian"], "map 'martian'"),
    (["verify", "--account", "nobody"], "no account 'nobody'"),
    (["export", "--account", "acme", "--from", "2026-02-30", "--to", "2026-03-01", "-o", "y"],
     "from '2026-02-30'"),
    (["export", "--account", "acme", "--from", "2026-03-02", "--to", "2026-03-01", "-o", "y"],
     "to '2026-03-01'"),
    (["serve"], "USAGE_SECRET_KEY"),
]  # fmt: skip


def test_refusals_name_field_value_and_fix_and_write_nothing(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    for words, named in REFUSALS:
        told = usage(*words, code=2)
        assert named in " ".join(told.split()), words
    assert not (tmp_path / "y").exists()
    assert "✗" not in usage("verify")


def test_a_wrong_setting_stops_the_start_in_one_line(usage) -> None:
    told = usage("verify", code=2, USAGE_LOG_LEVEL="LOUD")
    assert "USAGE_LOG_LEVEL 'LOUD'" in told
    told = usage("verify", code=2, USAGE_DATABASE_URL="mysql://x/y")
    assert "USAGE_DATABASE_URL" in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("USAGE_LOGLEVEL", "did you mean USAGE_LOG_LEVEL?"),
        ("USAGE_SECRET", "did you mean USAGE_SECRET_KEY?"),
        ("USAGE_DATADIR", "did you mean USAGE_DATA_DIR?"),
        ("usage_syncseconds", "did you mean USAGE_SYNC_SECONDS?"),
        ("USAGE_ZZZZ", "no setting has this name"),
    ],
)
def test_a_name_that_is_no_setting_stops_the_start(usage, tmp_path: Path, name, told) -> None:
    (tmp_path / ".env").write_text(f"{name}=a-secret-value\nOTHER=1\n")
    words = usage("verify", code=2).split()
    assert f"the name in .env '{name}' is not valid: " in " ".join(words)
    (tmp_path / ".env").write_text("OTHER=1\nusage_log_level=WARNING\n")
    assert "✗" not in usage("verify")
    words = usage("verify", code=2, **{name: "a-secret-value"}).split()
    assert told in " ".join(words)
    assert f"the name in the environment '{name}' is not valid" in " ".join(words)
    assert "a-secret-value" not in words
    assert "Traceback" not in words


SERVE = {"USAGE_SECRET_KEY": "a long secret of this test only"}


@pytest.mark.parametrize(
    ("options", "settings", "told"),
    [
        ([], {"USAGE_SYNC_SECONDS": "0"}, "USAGE_SYNC_SECONDS '0'"),
        ([], {"USAGE_SESSION_HOURS": "long"}, "USAGE_SESSION_HOURS 'long'"),
        ([], {"USAGE_LOG_FORMAT": "xml"}, "USAGE_LOG_FORMAT 'xml'"),
        ([], {"USAGE_TRUSTED_PROXIES": "proxy"}, "'proxy' is no address; use such as 10.0.0.5"),
        ([], {"USAGE_BASE_URL": "usage"}, "use an address such as https://usage.example"),
        ([], {"USAGE_SECRET_KEY": "short"}, "USAGE_SECRET_KEY '••••••'"),
        ([], {"USAGE_CLOCK_FILE": "now.txt"}, "USAGE_CLOCK_FILE 'now.txt'"),
        ([], {"USAGE_DATABASE_URL": "mysql://me:hush@db/x"}, "USAGE_DATABASE_URL"),
        ([], {"USAGE_DATABASE_URL": "me:hush@db/x"}, "USAGE_DATABASE_URL"),
        (["--host", "203.0.113.1"], {}, "host '203.0.113.1'"),
        (["--host", "no such host"], {}, "host 'no such host'"),
        (["--port", "BUSY"], {}, "choose another port (address already in use)"),
    ],
)
def test_a_server_that_cannot_start_says_why_in_one_line(usage, options, settings, told) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = str(busy.getsockname()[1])
        options = [port if each == "BUSY" else each for each in options]
        if "--port" not in options:
            options = [*options, "--port", free_port()]
        text = usage("serve", *options, code=2, **{**SERVE, **settings})
    assert told in " ".join(text.split())
    assert "Traceback" not in text
    assert "hush" not in text
    assert len(text.strip().splitlines()) == 1


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def test_a_server_prints_its_settings_and_what_is_missing(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        **SERVE, "USAGE_DATA_DIR": str(tmp_path), "USAGE_BASE_URL": "https://usage.example/",
        "USAGE_LOG_LEVEL": "INFO",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("USAGE_")}
    with subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "serve", "--port", port],
        env={**kept, **settings, "COLUMNS": "200"}, cwd=tmp_path, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as server:  # fmt: skip
        status_code: int | None = None
        try:
            for _ in range(300):
                with contextlib.suppress(httpx.TransportError):
                    ready = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5)
                    status_code = ready.status_code
                    break
                assert server.poll() is None, server.communicate()
                time.sleep(0.1)
            assert status_code == 200
        finally:
            server.send_signal(signal.SIGTERM)
            told, logged = server.communicate(timeout=30)
    assert server.returncode == 0
    for name, value in (
        ("USAGE_SECRET_KEY", "••••••"), ("USAGE_BASE_URL", "https://usage.example"),
        ("USAGE_LOG_FORMAT", "auto"), ("USAGE_TRUSTED_PROXIES", "(not set)"),
    ):  # fmt: skip
        assert re.search(rf"{name} +{re.escape(value)}$", told, re.MULTILINE), told
    assert f"http://127.0.0.1:{port}, reached as https://usage.example" in told
    for missing in ("No account yet", "Nobody can sign in", "No price list", "names no proxy"):
        assert missing in told
    assert SERVE["USAGE_SECRET_KEY"] not in told + logged
    lines = [json.loads(line) for line in logged.splitlines()]
    assert {"uvicorn.error", "usage.access"} <= {line["logger"] for line in lines}


def test_a_rejected_row_is_listed_and_the_rest_goes_in(usage, tmp_path: Path) -> None:
    prepare(usage, tmp_path)
    (tmp_path / "more.csv").write_text(CALLS + "8;may;NaN;1\n9;may;-5;1\n9;may;99999999;1\n")
    told = usage("import", "more.csv", "--account", "acme", "--map", "bank-full", code=1)
    assert "3 rejected" in told
    listed = (tmp_path / "more.csv.rejected.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in listed] == ["line", "7", "8", "9"]
