"""Which test proves which promise: read from the first words of the tests' docstrings, written to a page of the docs.

A test cites by number: its docstring begins `5.7, 5.10: the attempt's number stays`. `python -m tests.support.criteria`
writes the page.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = ROOT / "docs" / "reference" / "criteria.toml"
PAGE = ROOT / "docs" / "reference" / "criteria.md"
_ONE = r"(?:\d+\.\d+|[A-Z]+\d+)"  # a promise, or a fault or clause that stands elsewhere
CITED = re.compile(rf"^({_ONE}(?:\s*(?:,|and|to)\s*{_ONE})*)\s*(?:[:.(]|$)")
NUMBER = re.compile(r"\d+\.\d+")

HEAD = """# What is promised, and which test proves it

Made from `criteria.toml` and from the tests that cite its numbers, by `python -m tests.support.criteria`.
"""


def promises() -> dict[str, dict[str, str]]:
    """Titles by number, by section."""
    return tomllib.loads(LIST.read_text("utf-8"))


def cited() -> dict[str, list[str]]:
    """The tests that cite each number, as `file::name`, in order."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                where = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                for number in numbers(ast.get_docstring(node) or ""):
                    found.setdefault(number, []).append(where)
    return found


def numbers(docstring: str) -> list[str]:
    """The numbers that a docstring begins with; `1.5 to 1.7` are three."""
    match = CITED.match(docstring)
    if match is None:
        return []
    words = re.findall(r"\d+\.\d+|to", match[1])
    named: list[str] = []
    for index, word in enumerate(words):
        if word == "to":
            (section, first), (_, last) = words[index - 1].split("."), words[index + 1].split(".")
            named += [f"{section}.{n}" for n in range(int(first) + 1, int(last))]
        else:
            named.append(word)
    return named


def page() -> str:
    """The page as it should stand."""
    tests = cited()
    lines = [HEAD]
    for section in promises().values():
        lines += [f"## {section['title']}", "", "| | promise | proved by |", "| --- | --- | --- |"]
        for number, title in section.items():
            if NUMBER.fullmatch(number):
                lines.append(f"| {number} | {title} | {_named(tests.get(number, []))} |")
        lines.append("")
    return "\n".join(lines)


def missing() -> list[str]:
    """The promises that no test cites."""
    tests = cited()
    return [
        number
        for section in promises().values()
        for number in section
        if NUMBER.fullmatch(number) and number not in tests
    ]


def _named(tests: list[str]) -> str:
    shown = [f"`{test.removeprefix('tests/')}`" for test in tests[:3]]
    more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
    return "<br>".join(shown) + more


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{len(cited())} numbers cited; without a test: {', '.join(missing()) or 'none'}\n")
