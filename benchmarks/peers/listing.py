"""Which peers there are, and how each is asked whether its work is done. Modes are explained in the drivers."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from benchmarks.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.peers.environments import Installed

QUARTER, TENTH = 0.25, 0.1
JOBS = frozenset({"W1", "W2", "W5"})
"""What a job queue has an answer to."""
CHAIN = Peer("Celery chain", "chain", sys.executable, mode="early", pool=True, part=QUARTER)
CHAIN_LATE = Peer(
    "Celery chain, late ack", "chain", sys.executable, mode="late", pool=True, part=QUARTER, can=frozenset({"W1"})
)
BY_HAND = Peer(
    "Celery task, journalled by hand",
    "by_hand",
    sys.executable,
    schema="floor",
    done="select count(*) from floor.runs where state = 'done'",
    pool=True,
    can=frozenset({"W1", "W2"}),
)


DBOS = "select count(*) from dbos.workflow_status where status = 'SUCCESS' and name = 'five'"
ABSURD = "select count(*) from absurd.t_five where state = 'completed'"
OBAN = "select count(*) / 5 from oban_jobs where state = 'completed'"
PROCRASTINATE = "select count(*) / 5 from procrastinate_jobs where status = 'succeeded'"
PGQUEUER = "select count(*) / 5 from pgqueuer_log where status = 'successful'"
PYWORKFLOW = "select count(*) from workflow_runs where status = 'completed'"


def peers(installed: Mapping[str, Installed]) -> tuple[Peer, ...]:
    """All of them, each with the interpreter of its environment."""
    found = (
        Peer("DBOS", "dbos", "", schema="dbos", done=DBOS, part=QUARTER),
        Peer("Absurd", "absurd", "", schema="absurd", done=ABSURD),
        Peer("oban-py jobs", "oban", "", done=OBAN, can=JOBS),
        Peer("procrastinate jobs", "procrastinate", "", done=PROCRASTINATE, can=JOBS, part=QUARTER),
        Peer("pgqueuer jobs", "pgqueuer", "", done=PGQUEUER, can=JOBS),
        Peer("PyWorkflow", "pyworkflow", "", done=PYWORKFLOW, pool=True, can=JOBS, part=TENTH),
    )
    made = (replace(peer, python=installed[peer.driver].python, missing=installed[peer.driver].why) for peer in found)
    return (CHAIN, CHAIN_LATE, BY_HAND, *made)
