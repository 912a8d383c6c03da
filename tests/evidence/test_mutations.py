"""The table of mutants is in step with the code and with the tests. `make mutants` runs it."""

import ast

import pytest

from evidence.mutations import ROOT, Mutation, TextNotFound, mutations

ALL = tuple(mutations())
SECTION_9 = {
    "fence",
    "look_at_the_lease",
    "clock_after_lock",
    "head_lock",
    "whole_read_after_lock",
    "sweeper",
    "max_claims",
    "suspects_alone",
    "drawn_ids",
    "fence_on_write",
    "skip_locked_renewal",
    "after_commit_bell",
    "served_queues",
    "window_identity",
    "gate",
    "redaction",
    "hash_chain",
    "durable_settle",
}
"""The guards that must be in the table, whatever else is."""


def of_each(mutation):
    return mutation.name


def defined(path):
    """The tests that a file defines, by what pytest calls them."""
    body = ast.parse((ROOT / path).read_text("utf-8")).body
    for each in body:
        if isinstance(each, ast.ClassDef):
            yield from (f"{each.name}::{one.name}" for one in each.body if isinstance(one, ast.FunctionDef))
        elif isinstance(each, ast.FunctionDef):
            yield each.name


def test_every_guard_that_was_promised_a_mutant_has_one():
    assert {mutation.name for mutation in ALL} >= SECTION_9


@pytest.mark.parametrize("mutation", ALL, ids=of_each)
def test_a_mutant_changes_its_file_and_leaves_it_a_program(mutation):
    source = (ROOT / mutation.file).read_text("utf-8")

    mutated = mutation.applied(source)  # raises where a text does not stand there exactly once

    if mutation.file.endswith(".sql"):
        assert mutated != source  # that it is SQL still, the run of the mutant tells: nothing migrates otherwise
        return
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(source))
    compile(mutated, mutation.file, "exec")


@pytest.mark.parametrize("mutation", ALL, ids=of_each)
def test_the_test_of_a_mutant_exists(mutation):
    path, _, name = mutation.test.partition("::")

    assert name in set(defined(path))


@pytest.mark.parametrize(("source", "times"), [("b", 0), ("a a", 2)])
def test_a_text_that_does_not_stand_there_once_is_an_error_that_names_it(source, times):
    mutation = Mutation("guard", "a promise", "some/file.py", "tests/test_some.py::test", (("a", "b"),))

    with pytest.raises(TextNotFound, match=rf"^guard: this stands in some/file\.py {times} times, not once: 'a'$"):
        mutation.applied(source)


def test_a_mutant_is_applied_to_a_copy_and_nothing_else(tmp_path):
    (tmp_path / "some.py").write_text("guarded = True\n")
    mutation = Mutation("guard", "a promise", "some.py", "tests/test_some.py::test", (("True", "False"),))

    mutation.apply(tmp_path)

    assert (tmp_path / "some.py").read_text() == "guarded = False\n"
