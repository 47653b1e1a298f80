"""The house rules that a program can check: which way imports point, and what stays small.

Every rule reads the source with `ast`; nothing is imported. The tables below are the rules.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Which of our packages each package may import, besides itself where it is listed.
MAY_IMPORT = {
    "billing": {"billing"},
    "components": {"components", "billing"},
    "exports": {"exports", "billing"},
    "data": {"data", "billing"},
    # Not themselves: a page that imports a page is executed twice (what they share is in modules
    # whose name starts with an underscore, which Dash does not take for pages).
    "pages": {"components", "billing"},
    "api": {"api", "data", "billing", "exports"},
}
OURS = {*MAY_IMPORT, "app"}
SHARED_BY_PAGES = "pages._"
# The rules need no library at all; a forecaster or a gateway is a port there.
STANDARD_LIBRARY_ONLY = {"billing"}

# Values in, values out: only data/, api/ and app.py meet databases, files, network and clock.
WITHOUT_INPUT_OUTPUT = {"billing", "components", "exports", "pages"}
INPUT_OUTPUT_MODULES = {
    "asyncio", "ftplib", "glob", "http", "imaplib", "multiprocessing", "os", "pathlib",
    "requests", "shutil", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "urllib.request",
    "alembic", "duckdb", "httpx", "sqlalchemy",
}  # fmt: skip
CLOCK_READINGS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
    "time.time", "time.time_ns",
}  # fmt: skip

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 70
# A migration is a list of tables, and read as one.
LONG_ALLOWED_IN = ("data/migrations/",)

# An int of micros or a Decimal never becomes a float by its name.
MONEY_WORDS = ("micros", "cost", "balance")

Rule = Callable[[Path, ast.Module], Iterator[str]]


def sources(*tops: str) -> list[Path]:
    """Python files below the given folders or files, sorted; a missing one has none."""
    return sorted(
        path
        for top in tops
        for path in ([ROOT / top] if top.endswith(".py") else (ROOT / top).rglob("*.py"))
        if path.is_file()
    )


def place(path: Path, node: ast.AST | None = None) -> str:
    """file:line, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def package_of(path: Path) -> str:
    """The top-level folder, or the module's name for app.py."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def problems(paths: list[Path], rule: Rule) -> list[str]:
    return [
        problem
        for path in paths
        for problem in rule(path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    ]


def imports(path: Path, tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Absolute dotted names that a file imports, also inside functions and by name."""
    package = list(path.relative_to(ROOT).with_suffix("").parts)[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            yield module, node
            yield from ((f"{module}.{alias.name}", node) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node).endswith(("import_module", "__import__")):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value, node


def called(node: ast.Call) -> str:
    """The dotted name that is called, or nothing when it is no plain name."""
    return ast.unparse(node.func) if isinstance(node.func, ast.Name | ast.Attribute) else ""


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield called(node), node


def arrow_the_wrong_way(path: Path, tree: ast.Module) -> Iterator[str]:
    package = package_of(path)
    allowed = MAY_IMPORT[package]
    seen = set()
    for name, node in imports(path, tree):
        top = name.split(".")[0]
        wrong = top in OURS and top not in allowed and not name.startswith(SHARED_BY_PAGES)
        foreign = package in STANDARD_LIBRARY_ONLY and top not in sys.stdlib_module_names | allowed
        if (wrong or foreign) and (top, place(path, node)) not in seen:
            seen.add((top, place(path, node)))
            yield f"{place(path, node)}: {package}/ may not import {top}"


def input_or_output(path: Path, tree: ast.Module) -> Iterator[str]:
    for name, node in imports(path, tree):
        parts = name.split(".")
        if {parts[0], ".".join(parts[:2])} & INPUT_OUTPUT_MODULES and isinstance(
            node, ast.Import | ast.ImportFrom
        ):
            yield f"{place(path, node)}: {package_of(path)}/ does no I/O, but imports {name}"
    for name, node in calls(tree):
        if name in CLOCK_READINGS:
            yield f"{place(path, node)}: {name}() reads the clock; `now` is an argument"
        elif name == "open":
            yield f"{place(path, node)}: open() outside data/"


def import_of_app(path: Path, tree: ast.Module) -> Iterator[str]:
    for name, node in imports(path, tree):
        if name.split(".")[0] == "app":
            yield f"{place(path, node)}: nothing imports app.py, it wires the others"


def long_file(path: Path, tree: ast.Module) -> Iterator[str]:
    if str(path.relative_to(ROOT)).startswith(LONG_ALLOWED_IN):
        return
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{place(path)}: {lines} lines, at most {MAX_FILE_LINES}: a file has one subject"


def long_function(path: Path, tree: ast.Module) -> Iterator[str]:
    if str(path.relative_to(ROOT)).startswith(LONG_ALLOWED_IN):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield (
                    f"{place(path, node)}: {node.name}() has {lines} lines, "
                    f"at most {MAX_FUNCTION_LINES}"
                )


def printing(path: Path, tree: ast.Module) -> Iterator[str]:
    for name, node in calls(tree):
        if name in {"print", "pprint", "pprint.pprint", "sys.stdout.write"}:
            yield f"{place(path, node)}: {name}(); log it, or leave the words to app.py"


def money_as_float(path: Path, tree: ast.Module) -> Iterator[str]:
    for name, node in calls(tree):
        if name == "float" and node.args:
            argument = ast.unparse(node.args[0])
            if any(word in argument.lower() for word in MONEY_WORDS):
                yield f"{place(path, node)}: float({argument}): money is int micros or Decimal"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_the_right_way(package: str):
    assert not problems(sources(package), arrow_the_wrong_way)


@pytest.mark.parametrize("package", sorted(WITHOUT_INPUT_OUTPUT))
def test_only_data_meets_the_outside_world(package: str):
    assert not problems(sources(package), input_or_output)


def test_nothing_imports_app():
    assert not problems(sources(*MAY_IMPORT), import_of_app)


@pytest.mark.parametrize("rule", [long_file, long_function])
def test_code_stays_small(rule: Rule):
    assert not problems(sources("app.py", *MAY_IMPORT, "tests"), rule)


def test_packages_do_not_print():
    assert not problems(sources(*MAY_IMPORT), printing)


def test_money_never_becomes_a_float():
    assert not problems(sources("app.py", *MAY_IMPORT), money_as_float)


@pytest.mark.parametrize(
    ("file", "code", "rule"),
    [
        ("billing/x.py", "from data.tables import lines", arrow_the_wrong_way),
        ("billing/x.py", "import pydantic", arrow_the_wrong_way),
        ("components/x.py", "def f():\n    import data", arrow_the_wrong_way),
        ("components/deep/x.py", "from ...exports import sheet", arrow_the_wrong_way),
        ("exports/x.py", "from pages import bills", arrow_the_wrong_way),
        ("data/x.py", "import importlib; importlib.import_module('api.v1')", arrow_the_wrong_way),
        ("pages/x.py", "from pages.bills import layout", arrow_the_wrong_way),
        ("pages/x.py", "from . import bills", arrow_the_wrong_way),
        ("pages/x.py", "from data import settings", arrow_the_wrong_way),
        ("api/x.py", "import components.charts", arrow_the_wrong_way),
        ("data/x.py", "from app import main", import_of_app),
        ("billing/x.py", "from pathlib import Path", input_or_output),
        ("exports/x.py", "from urllib import request", input_or_output),
        ("pages/x.py", "now = datetime.now(UTC)", input_or_output),
        ("billing/x.py", "\n" * 400 + "pass", long_file),
        ("billing/x.py", "def f():\n" + "    pass\n" * 70, long_function),
        ("data/x.py", "print(1)", printing),
        ("components/x.py", "float(row['cost_micros'] / 2)", money_as_float),
        ("components/x.py", "float(wallet.balance)", money_as_float),
    ],
)
def test_the_rules_see_what_they_forbid(
    file: str, code: str, rule: Rule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    assert problems([path], rule)


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("billing/x.py", "from __future__ import annotations\nfrom billing.money import Money"),
        ("billing/x.py", "from .money import Money\nimport zoneinfo"),
        ("components/x.py", "import dash\nfrom billing.money import Money"),
        ("pages/x.py", "from components.charts import bars"),
        ("api/x.py", "from data import settings\nfrom .models import Line"),
        ("exports/x.py", "from urllib.parse import quote\nheight = float(share)"),
    ],
)
def test_the_rules_allow_what_is_right(
    file: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code)
    for rule in (arrow_the_wrong_way, import_of_app, printing, money_as_float):
        assert not problems([path], rule)
    if package_of(path) in WITHOUT_INPUT_OUTPUT:
        assert not problems([path], input_or_output)
