"""250 lines of code a file and 40 a function, documentation is free; and modules are named for what they are."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for part in ("squidie", "backends", "celery_app") for path in (ROOT / part).rglob("*.py"))
FILE, FUNCTION = 250, 40
BANNED = {"util", "common", "helper", "manager", "handler", "processor", "base", "misc"}
FREE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}


def code_lines(source):
    """The numbers of the lines that hold code."""
    tokens = (token for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type not in FREE)
    used = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return used - docstring_lines(ast.parse(source))


def docstring_lines(tree):
    """Strings that stand alone as statements: docstrings, also those of attributes."""
    alone = (
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )
    texts = (node for node in alone if isinstance(node.value, str))
    return {line for node in texts for line in range(node.lineno, node.end_lineno + 1)}


def functions(source):
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def overruns(source, name):
    """What is too long, each with its name and its length."""
    lines = code_lines(source)
    found = [f"{name}: {len(lines)} lines of code, {FILE} are allowed"] if len(lines) > FILE else []
    for node in functions(source):
        length = len(lines & set(range(node.lineno, node.end_lineno + 1)))
        if length > FUNCTION:
            found.append(f"{name}:{node.lineno} {node.name}(): {length} lines of code, {FUNCTION} are allowed")
    return found


def test_no_file_and_no_function_is_over_budget():
    found = [line for path in MODULES for line in overruns(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())]

    assert not found, "\n".join(["split by the question each part answers:", *found])


def test_no_module_is_named_for_nothing():
    vague = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if words(path) & (BANNED | {f"{word}s" for word in BANNED})
    ]

    assert not vague, "name it for its role: " + ", ".join(vague)


def words(path):
    return {word for part in (path.stem, path.parent.name) for word in part.lower().split("_")}


def test_documentation_is_free_and_code_is_not():
    source = '"""Why.\n\nAt length."""\n\nX = 1  # one\n"""What X is."""\n\n# aside\n'
    source += 'def f():\n    """What."""\n    return (\n        X\n    )\n'

    assert sorted(code_lines(source)) == [5, 9, 11, 12, 13]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("x = 1\n" * (FILE + 1), "m.py: 251 lines"),
        ("def f():\n" + "    x = 1\n" * FUNCTION, "m.py:1 f(): 41 lines"),
    ],
)
def test_an_overrun_is_named_with_its_length(source, named):
    assert [line.startswith(named) for line in overruns(source, "m.py")] == [True]


@pytest.mark.parametrize("source", ["x = 1\n" * FILE, "def f():\n" + "    x = 1\n\n" * (FUNCTION - 1)])
def test_what_fits_is_not_mentioned(source):
    assert overruns(source, "m.py") == []
