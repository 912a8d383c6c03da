"""A workflow for every second, for beats that are killed; loaded by them as `SQUIDIE_APP=chaos_flows:squidie`."""

from __future__ import annotations

import os

from squidie import Squidie, Workflow, every, step


def count() -> int:
    return 1


class EverySecond(Workflow):
    """No window may be left out, however long nobody looks."""

    triggers = (every("tick", "1s", catchup="all"),)
    count = step(count)


squidie = Squidie(os.environ.get("SQUIDIE_DATABASE_URL", "postgresql+psycopg://nowhere"), workflows=[EverySecond])
