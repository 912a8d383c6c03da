"""The tree of errors: drawn in the module's docstring, complete, each with a code of its own."""

import ast
import re
from pathlib import Path

import pytest

from squidie import errors

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.SquidieError)]
INIT = Path(errors.__file__).with_name("__init__.py")


def test_the_docstring_names_every_error():
    drawn = set(re.findall(r"\b[A-Z][A-Za-z]+\b", errors.__doc__))

    assert [each.__name__ for each in CLASSES if each.__name__ not in drawn] == []


def test_each_family_is_drawn_with_its_members():
    for line in errors.__doc__.splitlines():
        if family := re.match(r"[ |]*\+ (\w+)", line):
            parent = getattr(errors, family[1])
        elif re.match(r"[ |]+[A-Z]\w+[,> ]", line):
            members = re.findall(r"[A-Z]\w+", line)
            assert [name for name in members if not issubclass(getattr(errors, name), parent)] == []


def test_each_code_is_the_class_name_and_stands_once():
    codes = [each.code for each in CLASSES]

    assert codes == [re.sub(r"(?<!^)(?=[A-Z])", "_", each.__name__).lower() for each in CLASSES]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", CLASSES, ids=lambda each: each.__name__)
def test_each_error_says_what_it_means(error):
    assert error.__doc__
    assert error.__doc__ != error.__base__.__doc__


@pytest.mark.skipif(not INIT.exists(), reason="the public door is not there yet")
def test_what_is_raised_at_the_door_can_be_imported_there_or_from_errors():
    imported = {
        alias.name
        for node in ast.walk(ast.parse(INIT.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "squidie.errors"
        for alias in node.names
    }

    assert imported <= {each.__name__ for each in CLASSES}
