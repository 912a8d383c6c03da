"""A hot standby of the tests' own Postgres: a base backup that follows it, until it is told to lag behind."""

from __future__ import annotations

import os
from contextlib import contextmanager

from sqlalchemy import make_url

from squidie.testing.guard import guard
from squidie.testing.postgres import SUPERUSER, Postgres


@contextmanager
def standby(primary):
    """It runs while the block does; `url_of(url)` names a database of the primary there."""
    folder = guard.folder("standby-")
    follower = None
    try:
        data = folder / "data"
        data.mkdir(mode=0o700)
        primary._give(folder)
        primary._give(data)
        source = make_url(primary.url).query["host"]
        copy = (
            f"--pgdata={data}",
            f"--host={source}",
            f"--username={SUPERUSER}",
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
        )
        assert primary._daemon.run([str(primary._programs / "pg_basebackup"), *copy], os.environ) == 0
        follower = Postgres(folder, data, {"fsync": "off"})
        follower.start()
        yield follower
    finally:
        if follower is not None:
            follower.close()
        guard.remove(folder)


def url_of(follower, url):
    """The same database, on the standby."""
    host = make_url(follower.url).query["host"]
    return make_url(url).update_query_dict({"host": host}).render_as_string(hide_password=False)
