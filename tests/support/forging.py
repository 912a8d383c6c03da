"""Facts, heads and rows written by hand, as sound as an engine would write them, so that one of them can be wrong.

All of it happens in one transaction that nobody commits, where the triggers that keep facts are off.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from squidie.history.chain import link

NOW = datetime(2020, 6, 1, tzinfo=UTC)
FAR = timedelta(seconds=10**9)
"""Later than any test looks."""

ENDINGS = {"run_completed": "completed", "run_failed": "failed", "run_cancelled": "cancelled"}
NEW_RUN = """
insert into {s}.runs (run_id, workflow, definition, trigger, queue, priority, started_at, status, fold, rev, head_hash,
    updated_at, parent_run_id)
values (:run, 'Forged', 'd1', 'start', 'default', 100, :at, 'running', 0, 1, '', :at, :parent)
"""
NEW_ROW = """
insert into {s}.attempts (run_id, kind, step, attempt, action, queue, priority, due_at)
values (:run, :kind, :step, :attempt, 'forged:act', 'default', 100, :due)
"""
TAKE = """
update {s}.attempts set claim_id = :id, token_hash = 'x', owner = :owner, claimed_at = :claimed_at, lease_until = :until
where run_id = :run and step = :step and attempt = :attempt
"""
FREE = """
update {s}.attempts set claim_id = null, token_hash = null, owner = null, claimed_at = null, lease_until = null,
    due_at = :due, lost = lost + :lost
where run_id = :run and step = :step and attempt = :attempt
"""
HEAD = """
update {s}.runs set rev = :rev, head_hash = :hash, updated_at = :at, status = coalesce(:status, status),
    ended_at = case when cast(:status as text) is null then ended_at else :at end,
    rested_at = case when ended_at is not null or cast(:status as text) is not null then cast(:at as timestamptz) end,
    archived = case cast(:kind as text) when 'run_archived' then true when 'run_unarchived' then false else archived end
where run_id = :run
"""
LAST = "select coalesce(max(seq), 0), max(at) from {s}.facts where run_id = :run"


class Forger:
    """Writes on one connection; its clock is moved by hand."""

    def __init__(self, connection):
        self.connection, self.now = connection, NOW

    def sql(self, statement, **given):
        return self.connection.execute(text(statement.replace("{s}", "squidie")), given)

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)

    def fact(self, run, kind, *, opens=(), **body):
        """One more fact, with the rows that it opens: `(step, attempt, seconds until due, kind)`."""
        self.later(1)
        seq, last = self.sql(LAST, run=run).one()
        before = self.sql("select hash from {s}.facts where run_id = :run and seq = :seq", run=run, seq=seq).scalar()
        if opens:
            body["opens"] = [self._opening(run, *opening) for opening in opens]
        at = max(self.now, last or self.now)
        said = json.dumps(body, default=str)
        digest = link(bytes(before or b""), run, seq + 1, kind, at, said.encode())
        self.sql(
            "insert into {s}.facts values (:run, :seq, :kind, :at, cast(:body as json), :hash)",
            run=run, seq=seq + 1, kind=kind, at=at, body=said, hash=digest,
        )  # fmt: skip
        self.sql(HEAD, run=run, rev=seq + 1, hash=digest, status=ENDINGS.get(kind), at=at, kind=kind)

    def start(self, *opens, parent=None, **body):
        """A new run."""
        run = uuid4()
        self.sql(NEW_RUN, run=run, at=self.now, parent=parent)
        self.fact(
            run, "run_started", opens=opens, **{"workflow": "Forged", "trigger": "start", "definition": "d1"} | body
        )
        return run

    def row(self, run, step, attempt=1, due=NOW, kind="step"):
        self.sql(NEW_ROW, run=run, kind=kind, step=step, attempt=attempt, due=due)

    def claim(self, run, step, attempt=1, lease=30):
        """What a fact that ends this claim has to say of it."""
        self.later(1)
        held = {"id": str(uuid4()), "n": 1, "owner": "forger:1:x", "claimed_at": self.now.isoformat()}
        until = self.now + timedelta(seconds=lease)
        self.sql(TAKE, run=run, step=step, attempt=attempt, id=UUID(held["id"]), owner=held["owner"],
                 claimed_at=self.now, until=until)  # fmt: skip
        return {"step": step, "attempt": attempt, "claim": {**held, "lease_until": until.isoformat()}}

    def settle(self, run, kind, held, **body):
        """The row goes, the fact stands."""
        self.close(run, held["step"], attempt=held["attempt"])
        self.fact(run, kind, **held, **body)

    def lose(self, run, held, wait=1):
        """The lease is over, and a sweeper says so."""
        self.later(60)
        due = self.now + timedelta(seconds=wait)
        self.sql(FREE, run=run, step=held["step"], attempt=held["attempt"], due=due, lost=1)
        self.fact(run, "attempt_expired", **held, due_at=due.isoformat(), lost=1)
        self.later(1)

    def close(self, run, step, kind="step", attempt=1):
        given = {"run": run, "step": step, "kind": kind, "attempt": attempt}
        self.sql(
            "delete from {s}.attempts where run_id = :run and step = :step and kind = :kind and attempt = :attempt",
            **given,
        )
        return {"step": step, "kind": kind, "attempt": attempt}

    def end(self, run, kind="run_completed", **body):
        self.sql("delete from {s}.attempts where run_id = :run", run=run)
        self.fact(run, kind, **body)

    def edit(self, run, kind, change, number=0):
        """Change one body, the chain and nothing else."""
        found = "select seq, body from {s}.facts where run_id = :run and kind = :kind order by seq"
        seq, body = self.sql(found, run=run, kind=kind).all()[number]
        change(body)
        given = {"run": run, "seq": seq, "body": json.dumps(body)}
        self.sql("update {s}.facts set body = cast(:body as json) where run_id = :run and seq = :seq", **given)
        self.chain_anew(run)

    def child(self, parent, *opens, step="call", **body):
        """A run that the parent has started and awaits, and whose end is to be told."""
        run = self.start(*(opens or (("a", 1, 0, "step"),)), parent=parent)
        told = {"step": step, "child_key": "k", "child_run_id": str(run), "cascade": "cancel", "awaited": True}
        self.fact(parent, "child_started", **told | body)
        return run

    def notice(self, run, about):
        """A row that the code does not know yet."""
        self.sql("alter table {s}.attempts drop constraint if exists attempts_kind")
        self.row(run, str(about), due=self.now + FAR, kind="notice")

    def _opening(self, run, step, attempt=1, seconds=0, kind="step"):
        if kind in {"wait", "parked"}:
            return {"step": step, "kind": kind}
        due = self.now + timedelta(seconds=seconds)
        self.row(run, step, attempt, due, kind)
        return {"step": step, "kind": kind, "attempt": attempt, "queue": "default", "due_at": due.isoformat()}

    def chain_anew(self, run):
        before = b""
        rows = self.sql("select seq, kind, at, body::text from {s}.facts where run_id = :run order by seq", run=run)
        for seq, kind, at, body in rows.all():
            before = link(before, run, seq, kind, at, body.encode())
            self.sql("update {s}.facts set hash = :h where run_id = :run and seq = :s", h=before, run=run, s=seq)
        self.sql("update {s}.runs set head_hash = :h where run_id = :run", h=before, run=run)
