"""Who may import what, where import-linter does not look; and what an `__init__` may hold."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOOR = {"delivery", "errors", "failpoints", "migrate", "ringing", "telemetry", "testing", "web", "workflow"}
GUESTS = ("backends/squidie_celery", "backends/squidie_notify", "celery_app", "examples", "benchmarks", "evidence")
LAZY = {"squidie/__init__.py"}  # what may load names at their first use, each by a decision in docs/adr (0012)
BROKERS = {"celery", "kombu", "redis", "billiard"}


def python_files(*parts):
    return sorted(path for part in parts for path in (ROOT / part).rglob("*.py"))


def imports(source):
    """The modules that a source imports, anywhere in it, as dotted names; `from a import b` counts as `a.b`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def behind_the_door(source):
    """Imports of `squidie` that are neither its own names nor a public module."""
    inside = {path.stem for path in (ROOT / "squidie").iterdir() if path.suffix == ".py" or path.is_dir()} - DOOR
    names = (name.split(".") for name in imports(source))
    return [".".join(name) for name in names if name[0] == "squidie" and len(name) > 1 and name[1] in inside]


def strangers(source):
    """Statements of an `__init__` that are neither a docstring, an import nor `__all__`."""
    return [f"line {node.lineno}" for node in ast.parse(source).body if not belongs(node)]


def belongs(node):
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_list_of_names(node) or isinstance(node, ast.Import | ast.ImportFrom)


def is_list_of_names(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def of(path):
    return path.relative_to(ROOT).as_posix()


INITS = [path for path in python_files("squidie", "backends") if path.name == "__init__.py"]


def test_an_init_holds_a_docstring_imports_and_all_and_nothing_else():
    found = {of(path): strangers(path.read_text("utf-8")) for path in INITS}

    assert not {name: lines for name, lines in found.items() if lines and name not in LAZY}


def test_guests_come_in_by_the_public_door():
    found = {of(path): behind_the_door(path.read_text("utf-8")) for path in python_files(*GUESTS)}

    assert not {name: lines for name, lines in found.items() if lines}


def test_the_library_imports_no_broker():
    found = {
        of(path): {name.split(".")[0] for name in imports(path.read_text("utf-8"))} & BROKERS
        for path in python_files("squidie")
    }

    assert not {name: names for name, names in found.items() if names}


@pytest.mark.parametrize("path", INITS, ids=of)
def test_what_an_init_lists_is_imported_and_listed_once(path):
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = [name for node in tree.body if is_list_of_names(node) for name in ast.literal_eval(node.value)]

    assert set(names) <= imported
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "source",
    [
        "from squidie.engine.turn import Turn",
        "from squidie import runtime",
        "import squidie.journal.tables",
        "def f():\n    from squidie.settings import Settings",
    ],
)
def test_an_import_from_behind_the_door_is_seen(source):
    assert len(behind_the_door(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def __getattr__(name): ...",
        "X = 1",
        "print()",
        "if True:\n    import os",
        "try:\n    import a\nexcept ImportError: pass",
    ],
)
def test_a_stranger_in_an_init_is_seen(source):
    assert strangers(source) == ["line 1"]
