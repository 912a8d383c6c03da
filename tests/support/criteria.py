"""Which test proves which promise: read from the first words of the tests' docstrings, written to pages of the docs.

A test cites by number: its docstring begins `5.7, 5.10: the attempt's number stays`, or `B05, Q2: priority first`.
Faults are played by scenarios, too: the modules of evidence/ name them in their tables `PLAYED`.
`python -m tests.support.criteria` writes the pages.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = ("tests/**/test_*.py", "tests/support/operated.py", "squidie/testing/delivery.py", "evidence/**/*.py")
"""Where proofs stand: the tests, the contract that adapters' tests derive from, the scenarios of the evidence."""

EVIDENCE = "evidence/"
COMMAND = "python -m tests.support.criteria"
ONE = r"(?:\d+\.\d+|[A-Z]\d+)"
CITED = re.compile(rf"^({ONE}(?:\s*(?:,|and|to)\s*{ONE})*)\s*(?:[:.(]|$)")
NUMBER = re.compile(ONE)


class Page(NamedTuple):
    """One list of promises and the page that is made from it."""

    name: str
    title: str

    @property
    def list(self) -> Path:
        """The promises, by section."""
        return REFERENCE / f"{self.name}.toml"

    @property
    def path(self) -> Path:
        """The page."""
        return REFERENCE / f"{self.name}.md"

    def promises(self) -> dict[str, dict[str, str]]:
        """Titles by number, by section."""
        found = tomllib.loads(self.list.read_text("utf-8"))
        found.pop("open", None)
        return found

    def open(self) -> list[str]:
        """What the list itself says is not proved yet."""
        return list(tomllib.loads(self.list.read_text("utf-8")).get("open", []))

    def text(self) -> str:
        """The page as it should stand."""
        made = f"Made from `{self.name}.toml` and from the tests that cite its numbers, by `{COMMAND}`."
        lines = [f"# {self.title}\n\n{made}\n"]
        for section in self.promises().values():
            lines += [f"## {section['title']}", "", "| | promise | proved by |", "| --- | --- | --- |"]
            for number, title in section.items():
                if NUMBER.fullmatch(number):
                    proved = "*not yet*" if number in self.open() else _named(cited().get(number, []))
                    lines.append(f"| {number} | {title} | {proved} |")
            lines.append("")
        return "\n".join(lines)

    def missing(self) -> list[str]:
        """The promises that no test cites."""
        return [number for number in self.numbers() if number not in cited() and number not in self.open()]

    def titles(self) -> dict[str, str]:
        """What is promised, by number."""
        told = [each for section in self.promises().values() for each in section.items()]
        return {number: title for number, title in told if NUMBER.fullmatch(number)}

    def numbers(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(self.titles())


class FaultPage(Page):
    """Faults instead of promises; what is not played yet has a reason in the list."""

    __slots__ = ()

    def reasons(self) -> dict[str, str]:
        """Why a fault is not played yet, by number."""
        return dict(tomllib.loads(self.list.read_text("utf-8")).get("open", {}))

    def tests(self, number: str) -> tuple[str, ...]:
        """Those that cite it; scenarios are no tests."""
        return tuple(test for test in cited().get(number, []) if not test.startswith(EVIDENCE))

    def text(self) -> str:
        """The page as it should stand."""
        made = f"Made from `{self.name}.toml`, the scenarios of `{EVIDENCE}` and tests that cite rows, by `{COMMAND}`."
        lines = [f"# {self.title}\n\n{made}\n`make faults` plays the scenarios and runs those tests.\n"]
        for section in self.promises().values():
            lines += [f"## {section['title']}", "", "| | fault | played by |", "| --- | --- | --- |"]
            for number, title in section.items():
                if NUMBER.fullmatch(number):
                    lines.append(f"| {number} | {title} | {self._played(number)} |")
            lines.append("")
        return "\n".join(lines)

    def _played(self, number: str) -> str:
        if number in self.reasons():
            return f"*not yet*: {self.reasons()[number]}"
        scenario = [scenarios()[number]] if number in scenarios() else []
        return _named([*scenario, *self.tests(number)])

    def missing(self) -> list[str]:
        """The faults that nothing plays, and no reason is given why."""
        return [
            number
            for number in self.numbers()
            if not self.tests(number) and number not in scenarios() and number not in self.reasons()
        ]


FAULTS = FaultPage("faults", "Every fault on purpose, and what plays it")
PAGES: tuple[Page, ...] = (
    Page("criteria", "What is promised, and which test proves it"),
    Page("delivery", "What the queue inside the journal promises, and which test proves it"),
    FAULTS,
)


@cache
def scenarios() -> dict[str, str]:
    """The scenario that plays each fault, as `file::function`, by the tables `PLAYED` of evidence/."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / EVIDENCE).glob("*_faults.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "PLAYED":
                assert isinstance(node.value, ast.Dict), f"{path.name}: PLAYED is not written out"
                for number, function in zip(node.value.keys, node.value.values, strict=True):
                    found[ast.literal_eval(number)] = f"{EVIDENCE}{path.name}::{ast.unparse(function)}"
    return found


@cache
def cited() -> dict[str, list[str]]:
    """The tests that cite each number, as `file::name`, in order."""
    found: dict[str, list[str]] = {}
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)):
        is_test = path.name.startswith("test_") or path.name == "delivery.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and (node.name.startswith("test_") or not is_test):
                where = f"{path.relative_to(ROOT).as_posix()}::{node.name}"
                for number in numbers(ast.get_docstring(node) or ""):
                    found.setdefault(number, []).append(where)
    return found


def numbers(docstring: str) -> list[str]:
    """The numbers that a docstring begins with; `1.5 to 1.7` are three, and so are `B05 to B07`."""
    match = CITED.match(docstring)
    if match is None:
        return []
    words = re.findall(rf"{ONE}|to", match[1])
    named: list[str] = []
    for index, word in enumerate(words):
        named += _between(words[index - 1], words[index + 1]) if word == "to" else [word]
    return named


def _between(first: str, last: str) -> list[str]:
    """What stands between two numbers, both left out."""
    stem = re.match(r"\d+\.|[A-Z]", first)[0]
    width = len(first) - len(stem) if first[0].isalpha() else 0
    return [f"{stem}{n:0{width}}" for n in range(int(first[len(stem) :]) + 1, int(last[len(stem) :]))]


def _named(tests: list[str]) -> str:
    shown = [f"`{test.removeprefix('tests/')}`" for test in tests[:3]]
    more = f" and {len(tests) - 3} more" if len(tests) > 3 else ""
    return "<br>".join(shown) + more


if __name__ == "__main__":
    for each in PAGES:
        each.path.write_text(each.text(), "utf-8")
        sys.stdout.write(f"{each.name}: without a test: {', '.join(each.missing()) or 'none'}\n")
