"""What is on disk when a call returns (RELIABILITY L08, L09): all of it but the claims of short steps."""

from __future__ import annotations

import pytest
from sqlalchemy import event, text

from squidie.journal.store import _prepared
from tests.support.flows import Careful, Single
from tests.support.lab import change, claim, completion, failure, release, settle

SHOW = text("show synchronous_commit")


def taken(squidie, connection):
    """Claim in the transaction of this connection."""
    return len(claim(squidie, 9, connection=_prepared(connection)))


def test_outcomes_starts_and_commands_wait_for_the_disk(squidie):
    """L08, G26: each statement that writes facts, alone and in a batch, in a transaction or by itself."""
    seen = []

    def look(connection, _cursor, statement, *_):
        if 'squidie".facts (' in statement:
            seen.append(connection.connection.driver_connection.execute("show synchronous_commit").fetchone()[0])

    event.listen(squidie.engine, "before_cursor_execute", look)

    squidie.start_many(Single, [{} for _ in range(6)])
    rows = claim(squidie, 6)
    seen.clear()
    settle(squidie, *map(completion, rows[:3]))
    settle(squidie, failure(rows[3]))
    settle(squidie, release(rows[4]))
    squidie.cancel(rows[5].run_id, reason="x")
    squidie.start(Single)
    squidie.turn(["default"])

    assert seen == ["on"] * 7


def test_a_claim_leaves_its_connection_as_it_was(squidie):
    """G27, M36: what the claim of short steps says holds for its own commit only."""
    squidie.start(Single)
    with squidie.engine.connect() as connection:
        assert taken(squidie, connection) == 1
        assert connection.scalar(SHOW) == "off"
        connection.commit()

        assert connection.scalar(SHOW) == "on"


@pytest.mark.parametrize("why", ["irreversible", "lost"])
def test_a_claim_of_a_step_that_goes_alone_waits_for_the_disk(squidie, why):
    """L09: a crash of the database must not erase the claim of what should not run twice."""
    squidie.start(Careful if why == "irreversible" else Single)
    if why == "lost":
        change(squidie, "update {s}.attempts set lost = 1")
    with squidie.engine.connect() as connection:
        assert taken(squidie, connection) == 1

        assert connection.scalar(SHOW) == "on"
        connection.rollback()
    change(squidie, "update {s}.attempts set lost = 0")
