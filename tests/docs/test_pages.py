"""What the pages say is so: their Python runs, their commands exist, their links lead somewhere."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import click
import pytest
from celery import _state
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
)
BLOCK = re.compile(r"^```bash\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def commands(page):
    """The lines of a page's shell blocks, without their comments."""
    lines = "\n".join(BLOCK.findall((ROOT / page).read_text("utf-8"))).splitlines()
    return [line.partition("  #")[0].split() for line in lines if line.strip()]


@pytest.fixture
def module():
    """A module for a page's code to live in, as an importable one would."""
    made = sys.modules["page"] = ModuleType("page")
    yield made
    del sys.modules["page"]


@pytest.fixture
def environment(monkeypatch, database_url, redis_url):
    monkeypatch.setenv("SQUIDIE_DATABASE_URL", database_url)
    monkeypatch.setenv("SQUIDIE_REDIS_URL", redis_url)


@pytest.fixture
def no_current_app():
    """A page may make a Celery app; it is nobody else's."""
    before = getattr(_state._tls, "current_app", None)
    yield
    _state._tls.current_app = before


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in (ROOT / page).read_text("utf-8")])
def test_the_python_of_a_page_runs_from_its_first_block_to_its_last(page, module, environment, no_current_app):
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(ROOT / page)
    document.namespace = vars(module)

    examples = list(document.examples())
    try:
        for example in examples:
            example.evaluate()
    finally:
        close(vars(module).values())

    assert examples


def close(made):
    for each in list(made):
        if type(each).__name__ in {"Squidie", "Celery"}:
            each.close()
            if type(each).__name__ == "Squidie":
                each.engine.dispose()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_can_be_typed(page):
    group = importlib.import_module("squidie.cli").main
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for program, *words in commands(page):
        if program == "squidie":
            command = group.get_command(click.Context(group), words[0])
            if isinstance(command, click.Group):
                command = command.get_command(click.Context(command), words[1])
            assert command is not None, words
            known = {option for each in command.params for option in each.opts}
            assert {word for word in words if word.startswith("-")} <= known, words
        elif program == "make":
            assert words[0] in targets, words
        else:
            assert program in {"celery", "export", "pip", "git", "docker"}, program


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_something_that_is_there(page):
    targets = [link for link in LINK.findall((ROOT / page).read_text("utf-8")) if "://" not in link]

    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_the_readme_opens_with_two_commands_that_need_nothing_installed():
    assert commands("README.md")[:2] == [["make", "demo"], ["make", "test"]]
