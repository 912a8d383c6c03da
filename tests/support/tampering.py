"""Hands that should not be there: facts edited, dropped and swapped, behind the trigger that forbids it."""

from __future__ import annotations

from contextlib import contextmanager

from sqlalchemy import text

from tests.support.lab import change, query

FACTS = "select seq, kind, at, body::text as body, hash from {s}.facts where run_id = :run order by seq"
EDIT = "update {s}.facts set body = cast(:body as json), kind = :kind where run_id = :run and seq = :seq"
DROP = "delete from {s}.facts where run_id = :run and seq = :seq"
APPEND = """
insert into {s}.facts (run_id, seq, kind, at, body, hash)
values (:run, :seq, :kind, :at, cast(:body as json), :hash)
"""


@contextmanager
def unguarded(squidie):
    """Change facts: what is given is called with a statement and its parameters, all in one transaction."""
    with squidie.engine.begin() as connection:

        def do(sql, **given):
            connection.execute(text(sql.replace("{s}", f'"{squidie.schema}"')), given)

        do("alter table {s}.facts disable trigger user")
        yield do
        do("alter table {s}.facts enable trigger user")


def facts_of(squidie, run):
    return query(squidie, FACTS, run=run.id)


def tamper(squidie, run, how, seq):
    """One fact is `edited`, `dropped`, `swapped` with the next one, or is `nonsense`; the facts as they were."""
    before = facts_of(squidie, run)
    at = {row.seq: row for row in before}
    with unguarded(squidie) as do:
        match how:
            case "edited":
                body = at[seq].body  # another output, where it has one
                edited = body.replace('1"', '2"', 1) if '1"' in body else body.replace("1", "2")
                do(EDIT, run=run.id, seq=seq, kind=at[seq].kind, body=edited)
            case "dropped":
                do(DROP, run=run.id, seq=seq)
            case "swapped":
                for place, row in ((seq, at[seq + 1]), (seq + 1, at[seq])):
                    do(EDIT, run=run.id, seq=place, kind=row.kind, body=row.body)
            case "nonsense":
                do(EDIT, run=run.id, seq=seq, kind=at[seq].kind, body="{}")
    return before


def restore(squidie, run, facts):
    """They are as they were."""
    with unguarded(squidie) as do:
        do("delete from {s}.facts where run_id = :run", run=run.id)
        for fact in facts:
            do(APPEND, run=run.id, **fact._asdict())


def drop_states(squidie):
    change(squidie, "update {s}.runs set state = null")
