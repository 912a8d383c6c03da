"""The engine taken apart: claim without running, settle without having run, end leases by hand, look inside."""

from __future__ import annotations

import faulthandler
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import msgspec
import pytest
from sqlalchemy import event, text

from squidie.decide.commands import Complete, Elapse, Expire, Release
from squidie.decide.commands import Fail as FailCommand
from squidie.engine import ids
from squidie.engine import settle as settling
from squidie.engine.claim import take
from squidie.engine.presence import Presence
from squidie.engine.transact import transact
from squidie.history.facts import ErrorRecord, FailureCode, ReleaseReason
from squidie.journal import attempts, claims, facts
from squidie.journal.claims import Claimant
from squidie.testing import eventually

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
LEASE = 30.0
AFTER_LEASE = timedelta(seconds=31)


def claim(squidie, most=1, queue="default", *, lease=LEASE, owner="lab:1:test", connection=None):
    """Claim rows as a worker of short steps would, and run nothing."""
    parts, served = squidie._parts, squidie.registry.served
    by = Claimant(
        served=served, short=served, owner=owner, token_hash=sha256(os.urandom(32)).digest(), lease=lease,
        weights=squidie.settings.weights,
    )  # fmt: skip
    if connection is not None:
        return [each.row for each in claims.claim(parts.journal, connection, queue, most, by).claims]
    return [each.row for each in take(parts, queue, most, by)[0].claims]


PLANS = ("enable_nestloop", "enable_hashjoin", "enable_mergejoin", "enable_indexscan", "enable_seqscan")


def plan_without(squidie, setting):
    """Known to Postgres with its figures, and from here on without one way to read or to join.

    All other ways are open, as they are not in our sessions otherwise: what they shut could hide the one that is meant.
    """
    engine = squidie._parts.journal.engine
    with engine.connect() as connection:
        connection.execute(text("analyze"))
        connection.commit()

    def set_up(raw, _):
        for each in PLANS:
            raw.execute(f"set {each} = {'off' if each == setting else 'on'}")
        raw.commit()

    event.listen(engine, "connect", set_up)
    engine.dispose()


def under_locks(squidie):
    """From here on this runtime starts and settles nothing at once: it never knows what time it is without asking."""
    squidie._parts.clock.now = lambda: None


def staff(squidie, *queues, **more):
    """A worker is alive for good that serves these queues, or all; `more` is what else its row says."""
    Presence(squidie._parts, "worker").refresh(queues or sorted(squidie.used_queues()))
    given = {"owner": ids.owner(), "slots": None, **more}
    said = ", ".join(f"{name} = :{name}" for name in given)
    change(
        squidie,
        f"update {{s}}.workers set seen_at = seen_at + interval '1000 days', {said} where owner = :own",
        own=ids.owner(),
        **given,
    )


def completion(row, output="done"):
    return Complete(*fence(row), output=msgspec.Raw(msgspec.json.encode(output)))


def failure(row, message="planned", *, retryable=False):
    error = ErrorRecord(kind=FailureCode.STEP_RAISED, type="ValueError", message=message, attempt=row.attempt)
    return FailCommand(*fence(row), error=error, retryable=retryable, dice=0.5)


def release(row, reason=ReleaseReason.GIVEN_BACK):
    return Release(*fence(row), reason=reason)


def expiry(row):
    return Expire(*row.key, claim_id=row.lease.claim_id)


def fence(row):
    return (row.run_id, row.step, row.attempt, row.lease.claim_id, row.lease.token_hash)


def settle(squidie, *commands):
    """What became of these outcomes: None where they were taken, else the error."""
    verdicts = settling.settle(squidie._parts, commands, handover=None, give_up=lambda: True)
    assert len(verdicts) == len(commands), "an outcome still waits for Postgres, or for whoever holds its run"
    by_command = {id(verdict.command): verdict.error for verdict in verdicts}
    found = [by_command[id(command)] for command in commands]
    return found[0] if len(found) == 1 else found


def timers(squidie, step):
    """The timers of that name in all runs, by run."""
    with squidie.engine.connect() as connection:
        sql = f"select run_id, step, attempt from \"{squidie.schema}\".attempts where kind = 'timer' and step = :step"
        found = connection.execute(text(sql), {"step": step}).all()
    return {row.run_id: Elapse(*row) for row in found}


def elapse(squidie, timer):
    """Settle a timer as a worker does that finds it due; the facts that this made."""
    (verdict,) = transact(squidie._parts, [timer])
    if verdict.error is not None:
        raise verdict.error
    return verdict.facts


def end_lease(squidie, row):
    """Ask to end a claim because its lease is over; the facts that this made."""
    return transact(squidie._parts, [expiry(row)])[0].facts


def renew(squidie, *rows, lease=LEASE):
    journal = squidie._parts.journal
    with journal.reading() as connection:
        return set(attempts.renew(journal, connection, rows, lease))


def all_facts(squidie, run):
    journal = squidie._parts.journal
    with journal.reading() as connection:
        return [each.fact for each in facts.read(journal, connection, getattr(run, "id", run))]


def kinds(squidie, run):
    return [fact.kind for fact in all_facts(squidie, run)]


def steps_done(squidie, run):
    """The steps that completed, in the order in which they did."""
    return [fact.step for fact in all_facts(squidie, run) if fact.kind == "attempt_completed"]


def query(squidie, sql, **given):
    with squidie.engine.connect() as connection:
        return connection.execute(text(sql.replace("{s}", f'"{squidie.schema}"')), given).all()


def change(squidie, sql, **given):
    with squidie.engine.begin() as connection:
        return connection.execute(text(sql.replace("{s}", f'"{squidie.schema}"')), given).rowcount


def scalar(squidie, sql, **given):
    return query(squidie, sql, **given)[0][0]


def rows(squidie, run=None):
    """The open attempts: step, attempt, whether claimed, lost."""
    where = "where run_id = :run_id" if run is not None else ""
    given = {"run_id": run.id} if run is not None else {}
    return query(
        squidie,
        f"select step, attempt, claim_id is not null as held, lost from {{s}}.attempts {where} order by run_id, step",
        **given,
    )


def counts(squidie):
    """How much the journal holds of everything that a start writes."""
    tables = ("runs", "facts", "attempts", "dead_letters")
    return tuple(scalar(squidie, f"select count(*) from {{s}}.{table}") for table in tables)


def work_off(squidie, *queues):
    """Turns until nothing is left."""
    while squidie.turn(queues or ("default",)).claimed:
        pass


@contextmanager
def held(squidie, run_id, table="runs"):
    """Somebody else's transaction holds this run's head (or its attempts)."""
    mode = "for no key update" if table == "runs" else "for update"
    with squidie.engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text(f'select 1 from "{squidie.schema}".{table} where run_id = :id {mode}'), {"id": run_id})
        yield
        transaction.rollback()


def waits_for_a_lock(squidie, number=1):
    """Wait until that many backends of this database wait for a lock; their pids."""
    sql = "select pid from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"

    def waiting():
        found = [row.pid for row in query(squidie, sql)]
        return found if len(found) >= number else None

    return eventually(waiting, every=0.005, why="nobody waits for a lock")


def at_once(*calls):
    """Call these at the same moment, each in a thread; their results or exceptions in order."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait(10)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - it is the result
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


class Trials:
    """The same pair of racers again and again, without a new thread for each trial.

    After the barrier one of them, drawn from a seed, comes up to 2 ms later, so that each has its chances to be first.
    """

    APART = 0.002

    def __init__(self, racers=2, seed=39):
        self._pool = ThreadPoolExecutor(racers)
        self._barrier = threading.Barrier(racers)
        self._drawn = random.Random(seed)  # the same offsets in every session

    def race(self, *calls):
        late = self._drawn.randrange(len(calls))
        pauses = [self._drawn.uniform(0, self.APART) if number == late else 0 for number in range(len(calls))]
        jobs = [self._pool.submit(self._run, call, pause) for call, pause in zip(calls, pauses, strict=True)]
        try:
            return [job.result(30) for job in jobs]
        except TimeoutError:
            faulthandler.dump_traceback()  # what they are waiting for, before the pool is waited for
            raise

    def _run(self, call, pause):
        self._barrier.wait(10)
        if pause:
            time.sleep(pause)
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - it is the result
            return error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._pool.shutdown()


@contextmanager
def no_deadlock(squidie, scratch):
    """Postgres has ended nobody for standing in another's way; it counts when a connection closes."""
    sql = "select deadlocks from pg_stat_database where datname = current_database()"
    others = """
    select count(*) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
    """
    before = scalar(squidie, sql)
    yield
    squidie.engine.dispose()
    scratch.dispose()
    eventually(lambda: scalar(squidie, others) == 0, why="a connection stays open")
    assert scalar(squidie, sql) == before


def raises(code):
    """`with raises("key_reused"):` an error of that stable code."""
    from squidie import errors

    known = {
        cls.code: cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.SquidieError)
    }
    return pytest.raises(known[code])


class Recorder:
    """A delivery that remembers what was rung."""

    name = "recorder"

    def __init__(self):
        self.rung = []
        self.reachable = True

    def ring(self, queues):
        self.rung.extend(queues)

    def attach(self, squidie):
        self.squidie = squidie

    def close(self):
        pass


def run_in_a_child(call):
    """Fork, call, and be waited for; how the child ended (as `os.waitpid` says) and its pid."""
    pid = os.fork()
    if pid == 0:
        try:
            call()
        finally:
            os._exit(7)
    return os.waitpid(pid, 0)[1], pid
