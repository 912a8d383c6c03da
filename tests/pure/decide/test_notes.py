"""Notes on a run (SEMANTICS 2.8, 18.6, 18.7)."""

import pytest

from squidie.errors import InvalidAttributes, InvalidTransition
from squidie.history.facts import AttributesChanged, RunArchived, RunUnarchived
from tests.pure.scene import Scene


def ended():
    scene = Scene("a")
    scene.complete("a")
    return scene


@pytest.mark.parametrize("scene", [Scene("a"), ended()], ids=["open", "ended"])
def test_attributes_change_before_the_end_and_after_it(scene):
    """18.6, 2.8"""
    status, rows = scene.run.status, dict(scene.rows)

    scene.label(customer="x", tags=["a"])
    scene.label(customer=None)

    assert scene.facts[-2].changes == {"customer": "x", "tags": ["a"]}
    assert [type(fact) for fact in scene.facts[-2:]] == [AttributesChanged] * 2
    assert scene.facts[-1].by.verb
    assert (scene.run.attributes, scene.run.status, scene.rows) == ({"tags": ["a"]}, status, rows)


def test_many_changes_do_not_add_up_to_more_than_a_run_may_have():
    """18.6: 4,096 bytes in all; what is refused has changed nothing."""
    scene = Scene("a")
    scene.label(a="x" * 4000)
    told = len(scene.facts)

    with pytest.raises(InvalidAttributes):
        scene.label(b="x" * 200)

    assert len(scene.facts) == told
    scene.label(a=None, b="x" * 200)


def test_what_has_ended_is_put_away_and_shown_again():
    """18.7"""
    scene = ended()

    scene.archive("enough")
    scene.unarchive()
    scene.archive("after all")

    assert [type(fact) for fact in scene.facts[-3:]] == [RunArchived, RunUnarchived, RunArchived]
    assert scene.facts[-1].reason == "after all"
    assert scene.run.archived


def test_only_what_has_ended_is_put_away_and_once():
    """18.7: bad input"""
    open_, over = Scene("a"), ended()
    for refused in (open_.archive, open_.unarchive, over.unarchive):
        with pytest.raises(InvalidTransition):
            refused()
    over.archive()
    with pytest.raises(InvalidTransition):
        over.archive()
