"""A workflow that cron starts, for the tests with beats; loaded by them as `SQUIDIE_APP=cron_flows:squidie`."""

from __future__ import annotations

import os

from squidie import Squidie, Workflow, cron, step


def count() -> int:
    return 1


class Hourly(Workflow):
    """Once an hour."""

    triggers = (cron("hourly", "0 * * * *"),)
    count = step(count)
    flow = count


squidie = Squidie(os.environ.get("SQUIDIE_DATABASE_URL", "postgresql+psycopg://nowhere"), workflows=[Hourly])
