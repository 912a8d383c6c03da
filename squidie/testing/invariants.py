"""What must hold of every journal at every instant, as two views that must return no row.

assert violations(engine) == []          after every test, demo and benchmark
assert stuck(engine) == []               at rest: no fault, and nothing due for longer than the grace
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from squidie.history.fold import fold
from squidie.history.run import FOLD
from squidie.journal import facts, heads
from squidie.journal.sessions import PLANS
from squidie.journal.store import Journal

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def violations(engine: Engine, schema: str = "squidie", *, max_claims: int = 5) -> list[str]:
    """Every broken promise, as text: the predicate, the run, the fact and what is wrong. Empty for a sound journal."""
    with engine.connect() as connection:
        if _is_empty(connection, schema):
            return []
        _define(connection, schema)
        connection.execute(text("select set_config('squidie.max_claims', :most, true)"), {"most": str(max_claims)})
        rows = connection.execute(
            text("select violation, run_id, seq, step, detail from squidie_violation order by 1, 2, 3")
        ).all()
        connection.rollback()
    return [f"{r.violation}: run {r.run_id} seq {r.seq} step {r.step}: {r.detail}" for r in rows] + unlike_facts(
        engine, schema
    )


def stuck(engine: Engine, schema: str = "squidie", *, grace: float = 0.0) -> list[str]:
    """Everything that is overdue by more than `grace` seconds. Look at rest."""
    with engine.connect() as connection:
        _define(connection, schema)
        connection.execute(text("select set_config('squidie.grace', :grace, true)"), {"grace": str(grace)})
        rows = connection.execute(text("select stuck, run_id, step, since from squidie_stuck")).all()
        connection.rollback()
    return [f"{r.stuck}: run {r.run_id} step {r.step} since {r.since}" for r in rows]


def unlike_facts(engine: Engine, schema: str = "squidie") -> list[str]:
    """Runs whose cached state is not what their facts add up to."""
    journal = Journal(engine, schema)
    wrong = []
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        listed = connection.execute(
            journal.sql("select run_id, rev, status, fold, state::text as state, attributes from {s}.runs")
        ).all()
        for row in listed:
            run = fold((each.at, each.fact) for each in facts.read(journal, connection, row.run_id))
            if row.state is not None and row.fold == FOLD and heads.decode(row.state) != run:
                wrong.append(f"state_differs: run {row.run_id} at revision {row.rev}")
            if (row.attributes or {}) != (run.attributes or {}):
                wrong.append(f"attributes_differ: run {row.run_id} at revision {row.rev}")
            if run.anomalies:
                wrong.append(f"anomaly: run {row.run_id}: {'; '.join(run.anomalies)}")
            if (row.status, row.rev) != (run.status.value, run.revision):
                facts_say = f"facts say {run.status} at {run.revision}"
                wrong.append(f"head_differs: run {row.run_id}: {row.status} at {row.rev}, {facts_say}")
    return wrong


def _is_empty(connection: Connection, schema: str) -> bool:
    """Whether there is nothing to look at: planning the views takes longer than most tests."""
    tables = " or ".join(f'exists (select from "{schema}".{table})' for table in ("runs", "facts", "attempts"))
    return not connection.execute(text(f"select {tables}")).scalar()


def _define(connection: Connection, schema: str) -> None:
    """Temporary views: nothing is left in the database that is looked at."""
    connection.execute(text(f'set local search_path to "{schema}", pg_temp'))
    for way in PLANS:  # which a session of ours does without: here whole tables are compared
        connection.execute(text(f"set local {way} = on"))
    raw = connection.connection.driver_connection
    assert raw is not None
    raw.execute(_views())  # several statements, and percent signs that are no placeholders


@cache
def _views() -> str:
    return (Path(__file__).parent / "invariants.sql").read_text(encoding="utf-8")
