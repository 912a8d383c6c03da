"""What may follow what: every cell of both tables, present or absent (2.8, 4.3)."""

import pytest

from squidie.errors import InvalidTransition
from squidie.history.lifecycle import (
    SILENT,
    AttemptEvent,
    AttemptState,
    RunEvent,
    RunStatus,
    after_attempt,
    after_run,
    is_terminal,
)

RUN = """
              progress  wait_for_people_alone  be_undone     complete   fail    cancel
running       running   paused                 compensating  completed  failed  cancelled
paused        running   paused                 compensating  completed  failed  cancelled
compensating  -         -                      compensating  -          failed  cancelled
completed     -         -                      -             -          -       -
failed        -         -                      -             -          -       -
cancelled     -         -                      -             -          -       -
"""
ATTEMPT = """
               claim    renew    complete   fail    defer      hasten     release    expire     give_up        withdraw
scheduled      claimed  -        -          -       -          scheduled  -          -          dead_lettered  withdrawn
claimed        -        claimed  completed  failed  scheduled  -          scheduled  scheduled  -              withdrawn
completed      -        -        -          -       -          -          -          -          -              -
failed         -        -        -          -       -          -          -          -          -              -
dead_lettered  -        -        -          -       -          -          -          -          -              -
withdrawn      -        -        -          -       -          -          -          -          -              -
"""


def cells(table, state, event):
    head, *lines = table.strip().splitlines()
    events = head.split()
    for line in lines:
        name, *targets = line.split()
        for heading, target in zip(events, targets, strict=True):
            yield state(name), event(heading.replace("_", " ")), None if target == "-" else state(target)


def of_run():
    return list(cells(RUN, RunStatus, RunEvent))


def of_attempt():
    return list(cells(ATTEMPT, AttemptState, AttemptEvent))


def test_the_tables_have_every_state_and_every_event():
    assert len(of_run()) == len(RunStatus) * len(RunEvent)
    assert len(of_attempt()) == len(AttemptState) * len(AttemptEvent)


@pytest.mark.parametrize(("status", "event", "then"), of_run())
def test_a_run_goes_where_the_table_says_or_nowhere(status, event, then):
    """2.8, 7.1, 7.2."""
    if then is not None:
        assert after_run(status, event) is then
        return
    with pytest.raises(InvalidTransition) as refused:
        after_run(status, event)
    assert refused.value.details == {"status": status.value, "event": event.value}


@pytest.mark.parametrize(("state", "event", "then"), of_attempt())
def test_an_attempt_goes_where_the_table_says_or_nowhere(state, event, then):
    """4.3, 5.7, 18.1."""
    if then is not None:
        assert after_attempt(state, event) is then
        return
    with pytest.raises(InvalidTransition) as refused:
        after_attempt(state, event)
    assert refused.value.details == {"status": state.value, "event": event.value}


def test_what_has_ended_is_what_nothing_follows():
    """2.8."""
    assert [status for status in RunStatus if not is_terminal(status)] == [
        RunStatus.RUNNING,
        RunStatus.PAUSED,
        RunStatus.COMPENSATING,
    ]


def test_only_what_a_lease_does_leaves_no_fact():
    """4.7."""
    assert {AttemptEvent.CLAIM, AttemptEvent.RENEW} == SILENT
