"""Facts by hand: what the owner of a database can do, and nobody else."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from evidence.cluster import Cluster

FACTS = "select seq, kind, at, body::text as body, hash from squidie.facts where run_id = :run order by seq"
APPEND = """
insert into squidie.facts (run_id, seq, kind, at, body, hash)
values (:run, :seq, :kind, :at, cast(:body as json), :hash)
"""


@contextmanager
def tampering(cluster: Cluster) -> Iterator[Callable[..., None]]:
    """What the owner of the database can do, and nobody else: facts are changed."""
    with cluster.squidie.engine.begin() as connection:
        connection.execute(text("alter table squidie.facts disable trigger user"))

        def change(sql: str, **given: Any) -> None:
            connection.execute(text(sql), given)

        yield change
        connection.execute(text("alter table squidie.facts enable trigger user"))
