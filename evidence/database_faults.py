"""What Postgres does to workers that are at it (RELIABILITY 6.3): sessions ended, commits cut, writes refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import make_url, text

from evidence import checks, hosting
from evidence.cluster import outcome
from evidence.load import Load
from evidence.proxy import FaultProxy, When
from evidence.restarts import told
from squidie.testing import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence.cluster import Cluster, Node
    from evidence.report import Report, Row
    from squidie import Run

PATIENCE = 30.0
ROUNDS = 6
"""So often sessions are ended, or wires reset, while runs are under way."""

APART = 0.25
CUTS: tuple[When, ...] = ("before", "after") * 4
"""Before the server hears of a COMMIT, and after it has answered."""

STORM = 25.0
"""Connections a second that a worker with five processes may try in vain: five each."""

OUTAGE = 2.5
"""Seconds without Postgres: two leases and a half."""

TERMINATE = """
select count(pg_terminate_backend(pid, 1000)) as n from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
OFF, ON = "set default_transaction_read_only to on", "reset default_transaction_read_only"


def terminated(cluster: Cluster, report: Report) -> None:
    """P01: sessions are ended again and again, and then the server is stopped as an administrator does."""
    nodes = _workers(cluster, "terminated")
    with report.scenario("P01 sessions ended, fast stop under load") as row:
        with Load(cluster, "terminated", "Plain", "Booked") as load:
            for _ in range(ROUNDS):
                _pass(APART)
                row.hit("pg_terminate_backend", cluster.read(TERMINATE)[0].n)
            cluster.bounce("postgres", "stop")
            row.hit("fast stop")
            _pass(2 * APART)
        load.judge(row)
        again = checks.of_runs(cluster, [run.id for run in load.of("Plain")]).again
        row.expect(again == 0, f"{again} effects of plain steps happened again: their outcomes were kept")
    cluster.retire(nodes)


def crashed(cluster: Cluster, report: Report) -> None:
    """P02: the server and all its sessions are killed while workers are at it; they outlive it."""
    nodes = _workers(cluster, "crashed")
    with report.scenario("P02 Postgres killed under load") as row:
        with Load(cluster, "crashed", "Plain", "Booked") as load:
            for _ in range(2):
                _pass(2 * APART)
                cluster.bounce("postgres", "kill")
                row.hit("kill -9 of Postgres")
            _pass(2 * APART)
        load.judge(row, may_erase=True)
        row.expect(not cluster.dead(), f"these died of it: {cluster.dead()}")
    cluster.retire(nodes)


def resets(cluster: Cluster, report: Report) -> None:
    """P05: every connection of the workers and of whoever starts is reset, in the middle of whatever it says."""
    with FaultProxy.to_postgres(cluster.database_url) as wire:
        nodes = _workers(cluster, "resets", wire)
        far = hosting.serving(wire.postgres_url(cluster.database_url), cluster.squidie.delivery)
        with report.scenario("P05 connections reset in mid-statement") as row:
            with Load(cluster, "resets", "Plain", squidie=far) as load:
                for _ in range(ROUNDS):
                    _pass(APART)
                    wire.reset()
            found = load.judge(row)
            row.hit("reset", wire.hits["reset"])
            row.expect(found.again == 0, f"{found.again} effects happened again: their outcomes were kept")
        cluster.retire(nodes)
        far.engine.dispose()


def cuts(cluster: Cluster, report: Report) -> None:
    """P06: the wire is cut before or after a COMMIT, of a start, of a settle and of a command; each is done once."""
    with FaultProxy.to_postgres(cluster.database_url) as host, FaultProxy.to_postgres(cluster.database_url) as wire:
        far = hosting.serving(host.postgres_url(cluster.database_url), cluster.squidie.delivery)
        nodes = _workers(cluster, "cuts", wire, number=1, sweep=600.0)  # so that all its commits are settles
        with report.scenario("P06 COMMIT cut before and after, of starts and settles") as row:
            outcome(cluster.squidie.start("Single", {}, queue="cuts"), PATIENCE)  # its worker has said that it is there
            for when in CUTS:
                host.cut(when)
                wire.cut(when)
                run = far.start("Plain", {}, queue="cuts")
                row.expect(run.created, "a start says that somebody else has made its run")
                row.expect(outcome(run, PATIENCE) == "last 1", f"{run.id} did not end well")
                found = checks.of_runs(cluster, [run.id])
                row.take(found)
                row.runs += 1
                numbers = (found.outcomes, found.again, found.released + found.expired)
                row.expect(numbers == (4, 0, 0), f"outcomes, effects again, claims lost: {numbers}")
            sql = "select count(*) as n from squidie.runs where queue = 'cuts' and workflow = 'Plain'"
            (made,) = cluster.read(sql)
            row.expect(made.n == len(CUTS), f"{made.n} runs were made of {len(CUTS)} starts")
            _count_cuts(row, host, wire)
        with report.scenario("P06 COMMIT cut before and after, of commands") as row:
            for when in CUTS:
                run = cluster.squidie.start("Single", {}, queue="cuts-of-commands")
                host.cut(when)
                far.cancel(run.id, reason="planned")
                kinds = [fact.kind for fact in told(cluster, run)]
                row.expect(kinds == ["run_started", "run_cancelled"], f"the journal says {kinds}")
                row.runs += 1
            _count_cuts(row, host)
        cluster.retire(nodes)
        far.engine.dispose()


def _count_cuts(row: Row, *wires: FaultProxy) -> None:
    """Those that were really made since they were last counted."""
    for wire in wires:
        for when in ("before", "after"):
            made = wire.hits.pop(f"cut {when}", 0)
            row.expect(made == len(CUTS) // 2, f"{made} commits were cut {when}")
            row.hit(f"cut {when}", made)


def crowded(cluster: Cluster, report: Report) -> None:
    """P08: a worker whose role may have fewer connections than it wants; it goes on with what it gets."""
    url = _limited_role(cluster, 2)
    node = cluster.worker(queues=["crowded"], concurrency=4, env={"SQUIDIE_DATABASE_URL": url}).ready()
    with report.scenario("P08 too many connections") as row:
        begun = time.monotonic()
        with Load(cluster, "crowded", "Plain") as load:
            _pass(ROUNDS * APART)
        load.judge(row)
        refused = node.process.log_text().count("too many connections")
        row.hit("53300", refused)
        rate = refused / (time.monotonic() - begun)
        report.numbers["refused_connects_per_s"] = round(rate, 1)
        row.expect(rate <= STORM, f"{rate:.0f} connections a second were tried in vain")
        row.expect(node.process.is_alive(), "the worker has died")
    cluster.retire([node])


def _limited_role(cluster: Cluster, most: int) -> str:
    """The journal's URL for a role that may have no more connections than that."""
    with cluster.squidie.engine.begin() as connection:
        connection.execute(text(f"create role crowded login connection limit {most} in role postgres"))
        connection.execute(text(f"grant {hosting.ROLE} to crowded"))
    return make_url(cluster.database_url).set(username="crowded").render_as_string(hide_password=False)


def read_only(cluster: Cluster, report: Report) -> None:
    """P10: nothing can be written for longer than a lease; outcomes are kept, claims stop, no work is taken over."""
    nodes = _workers(cluster, "read-only")
    with report.scenario("P10 read-only under load") as row:
        with Load(cluster, "read-only", "Plain", orders={"naps": {"first": 0.2}}) as load:
            _pass(2 * APART)
            _alter(cluster, OFF)
            row.hit("sessions ended", cluster.read(TERMINATE)[0].n)
            before = _outcomes(cluster)
            _pass(OUTAGE)
            row.expect(_outcomes(cluster) == before, "something was written meanwhile")
            _alter(cluster, ON)
            _pass(2 * APART)
        row.expect(load.refused, "no start was refused")
        row.hit("25006", load.refused + sum(node.process.log_text().count("takes no writes") for node in nodes))
        found = load.judge(row)
        row.expect((found.again, found.expired) == (0, 0), f"{found.again} effects again, {found.expired} expired")
    cluster.retire(nodes)


def _alter(cluster: Cluster, how: str) -> None:
    """For sessions to come; in one of its own that may write in any case."""
    name = make_url(cluster.database_url).database
    with cluster.squidie.engine.connect() as connection:
        connection.execute(text("set transaction read write"))
        connection.execute(text(f'alter database "{name}" {how}'))
        connection.commit()
    cluster.squidie.engine.dispose()


def _outcomes(cluster: Cluster) -> int:
    (found,) = cluster.read("select count(*) as n from squidie.facts where kind = 'attempt_completed'")
    return int(found.n)


def outage(cluster: Cluster, report: Report) -> None:
    """P17: longer than a lease, under load; what ends meanwhile is kept, and only a dead holder's work runs again."""
    nodes = _workers(cluster, "outage")
    doomed = _workers(cluster, "outage-doomed", number=1)[0]
    with report.scenario("P17 an outage longer than the lease, under load") as row:
        lost = cluster.squidie.start("Single", {"naps": {"only": PATIENCE}}, queue="outage-doomed")
        eventually(lambda: cluster.effects.of(lost.id), PATIENCE)
        with Load(cluster, "outage", "Plain", "Single", orders={"naps": {"first": 1.0, "only": 1.0}}) as load:
            _pass(2 * APART)
            cluster.services.postgres.stop()
            row.hit("outage")
            doomed.kill()
            row.hit("kill -9 of a worker")
            _pass(OUTAGE)
            cluster.services.postgres.start()
            _pass(2 * APART)
        found = load.judge(row)
        row.expect((found.again, found.expired) == (0, 0), f"{found.again} effects again, {found.expired} expired")
        eventually(lambda: _expiries(cluster, lost) == 1, PATIENCE, why="the dead worker's claim was not ended")
        cluster.squidie.cancel(lost.id, reason="nobody serves its queue any more")
        row.expect(_expiries(cluster, lost) == 1, "its claim was ended more than once")
    cluster.retire(nodes)


def _expiries(cluster: Cluster, run: Run) -> int:
    return [fact.kind for fact in told(cluster, run)].count("attempt_expired")


def _workers(
    cluster: Cluster, queue: str, wire: FaultProxy | None = None, *, number: int = 2, sweep: float | None = None
) -> list[Node]:
    """Ready, on a queue of their own, perhaps at the other end of a wire."""
    env = {} if wire is None else {"SQUIDIE_DATABASE_URL": wire.postgres_url(cluster.database_url)}
    settings = None if sweep is None else {"sweep": sweep}
    nodes = [cluster.worker(queues=[queue], concurrency=2, settings=settings, env=env) for _ in range(number)]
    return [node.ready() for node in nodes]


def _pass(seconds: float) -> None:
    """Let the load go on for so long: there is no other condition than time."""
    until = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= until, seconds + PATIENCE)


PLAYED: dict[str, Callable[[Cluster, Report], None]] = {
    "P01": terminated,
    "P02": crashed,
    "P05": resets,
    "P06": cuts,
    "P08": crowded,
    "P10": read_only,
    "P17": outage,
}
"""By the row that they are about."""
