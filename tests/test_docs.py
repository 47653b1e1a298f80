"""The documents name what exists: commands, settings, maps, make targets, folders."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import app
from billing.metrics import METRICS
from data.importers.importing import built_in_maps
from data.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BACKUP = (ROOT / "docs" / "backup.md").read_text()
POSTGRESQL = (ROOT / "docs" / "postgresql.md").read_text()
IMPORTING = (ROOT / "docs" / "importing.md").read_text()


def commands(group: object, prefix: str = "") -> list[str]:
    """Every command's full name."""
    found = []
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            found += commands(command, f"{prefix}{name} ")
        else:
            found.append(f"{prefix}{name}")
    return found


@pytest.mark.parametrize("command", commands(get_command(app.app)))
def test_every_command_is_in_the_readme(command: str) -> None:
    assert re.search(rf"`{command}\b", README + BACKUP + POSTGRESQL), command


@pytest.mark.parametrize("setting", [f"USAGE_{name}".upper() for name in Settings.model_fields])
def test_every_setting_is_in_the_readme(setting: str) -> None:
    assert f"`{setting}`" in README


@pytest.mark.parametrize("name", built_in_maps())
def test_every_map_is_in_the_documents(name: str) -> None:
    assert f"`{name}`" in IMPORTING


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.id)
def test_every_metric_says_what_it_means(metric: object) -> None:
    assert metric.meaning.endswith(".")  # type: ignore[attr-defined]
    assert metric.calculation.endswith(".")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "ARCHITECTURE.md",
        "docs/importing.md",
        "docs/backup.md",
        "docs/postgresql.md",
        "docs/faults.md",
    ],
)
def test_every_link_and_file_named_exists(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert ((ROOT / document).parent / target).exists(), f"{document}: {target}"
    for named in re.findall(
        r"`((?:billing|data|pages|api|tests|exports)/[\w/]+\.(?:py|sql))`", text
    ):
        assert (ROOT / named).exists(), f"{document}: {named}"
