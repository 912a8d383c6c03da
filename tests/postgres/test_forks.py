"""A fork shares no connection, no lock and no name with anybody else's work (G41, G42, C15)."""

from __future__ import annotations

import os
import threading

from squidie.engine import ids
from tests.support.flows import Chain, Single
from tests.support.lab import claim, kinds, query, rows, run_in_a_child, scalar


def test_no_connection_is_shared_with_forked_children_however_busy_the_parent_is(squidie):
    """G42: twenty forks beside a thread that never stops asking; each child has a backend of its own, and works."""
    runs = squidie.start_many(Chain, [{} for _ in range(20)])
    stop, wrong, ours = threading.Event(), [], set()

    def ask():
        while not stop.is_set():
            with squidie.engine.connect() as connection:
                number = connection.exec_driver_sql("select pg_backend_pid() * 10").scalar_one()
                ours.add(number // 10)
                if number != connection.connection.driver_connection.info.backend_pid * 10:
                    wrong.append(number)

    def work():
        backend = scalar(squidie, "select pg_backend_pid()")
        taken = squidie.execute_next() is not None
        os._exit(0 if taken and backend not in ours else 1)

    busy = threading.Thread(target=ask)
    busy.start()
    ended = [run_in_a_child(work)[0] for _ in range(20)]
    stop.set()
    busy.join()

    assert wrong == []
    assert [os.waitstatus_to_exitcode(status) for status in ended] == [0] * 20
    assert sum(kinds(squidie, run).count("attempt_completed") for run in runs) == 20
    assert not any(row.held for row in rows(squidie))


def test_a_worker_and_its_children_have_one_name_that_no_other_worker_has(squidie, monkeypatch):
    """G41: two trees on one machine, though the second inherits the first's environment."""
    monkeypatch.setenv(ids.BOOT, "inherited")

    first, child = squidie.begin_worker(), ids.owner(4242)
    second = squidie.begin_worker()

    boots = [owner.rpartition(":")[2] for owner in (first, child, second)]
    assert boots[0] == boots[1]
    assert len({"inherited", *boots}) == 3


def test_a_pid_that_is_used_again_does_not_release_what_its_new_process_holds(squidie):
    """G41: a parent speaks for children of its own boot only."""
    host, _, boot = squidie.owner.split(":")
    squidie.start_many(Single, [{} for _ in range(3)])
    (dead,) = claim(squidie, owner=f"{host}:4242:{boot}")
    for others in (f"{host}:4242:afresh", f"elsewhere:4242:{boot}"):
        claim(squidie, owner=others)

    assert squidie.child_died(4242) == 1

    held = {row.run_id for row in query(squidie, "select run_id from {s}.attempts where claim_id is not null")}
    assert dead.run_id not in held
    assert len(held) == 2
