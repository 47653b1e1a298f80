"""The project's own files agree: locks, front-end versions, Makefile."""

import json
import re
import tomllib
from pathlib import Path

import plotly
import pytest

ROOT = Path(__file__).resolve().parent.parent
PYTHON_LOCKS = ["requirements.lock", "requirements-node.lock"]
EXACT_VERSION = re.compile(r"\d+\.\d+\.\d+")
ADDRESS_OR_PATH = re.compile(
    r"://|--(?:index-url|extra-index-url|find-links|trusted-host)| @ |file:|(?:^|\s)[./~]+/\w"
)


def locked(lock: str) -> dict[str, str]:
    """Each requirement's name and the lines that belong to it."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    return {normal(re.split(r"[=\s;\[]", entry)[0]): entry for entry in entries}


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def package(name: str) -> dict:
    return json.loads((ROOT / name).read_text())


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_every_locked_requirement_has_one_version_and_hashes(lock: str):
    entries = locked(lock)
    assert entries
    for name, entry in entries.items():
        assert re.match(r"\S+==\S+ ", entry), f"{name} has no exact version"
        assert "--hash=sha256:" in entry, f"{name} has no hash"


@pytest.mark.parametrize("lock", PYTHON_LOCKS)
def test_a_lock_names_no_registry_and_no_path(lock: str):
    for number, line in enumerate((ROOT / lock).read_text().splitlines(), start=1):
        assert not ADDRESS_OR_PATH.search(line), f"{lock}:{number}: {line}"


def test_every_dependency_is_locked():
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["dev"]]
    names = {normal(re.split(r"[\s\[<>=!~;]", requirement)[0]) for requirement in wanted}
    assert names - locked("requirements.lock").keys() == set()


def test_front_end_packages_are_exact_and_locked():
    manifest = package("package.json")
    lock = package("package-lock.json")["packages"]
    for kind in ("dependencies", "devDependencies"):
        assert lock[""][kind] == manifest[kind], "npm install --package-lock-only"
        for name, version in manifest[kind].items():
            assert EXACT_VERSION.fullmatch(version), f"{name}: {version}"
            assert lock[f"node_modules/{name}"]["version"] == version


def test_the_front_end_lock_has_integrity_and_no_addresses():
    for name, entry in package("package-lock.json")["packages"].items():
        assert "resolved" not in entry, name
        assert not name or entry["integrity"].startswith("sha512-"), name


def test_plotly_js_is_the_version_that_plotly_brings():
    bundled = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    with bundled.open(encoding="utf-8") as file:
        version = re.search(r"plotly\.js v(\d+\.\d+\.\d+)", file.read(500))
    assert version, "plotly.min.js no longer opens with its version"
    assert package("package.json")["dependencies"]["plotly.js-basic-dist-min"] == version[1]


def test_every_front_end_package_is_served_with_its_licence():
    vendor = (ROOT / "scripts" / "vendor.py").read_text()
    for name in package("package.json")["dependencies"]:
        assert f'"{name}/LICENSE"' in vendor, name


def test_the_makefile_says_what_each_target_does():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    documented = set(re.findall(r"^([a-z-]+):.* ## \S", makefile, re.MULTILINE))
    assert set(phony[1].split()) - documented == set()
    assert {"run", "test", "test-long", "install", "bench", "check", "screenshots"} <= documented
