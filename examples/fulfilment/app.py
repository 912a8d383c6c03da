"""The shop's Squidie: `celery -A celery_app worker` serves it, `squidie start Fulfilment` gives it work.

`SQUIDIE_DATABASE_URL` says where the journal and the shop's tables are. `SQUIDIE_LEASE` and `SQUIDIE_SWEEP` (seconds)
shorten the lease and the sweep; the demo does that, production has no need to.
"""

from __future__ import annotations

import os

from examples.fulfilment.store import database_url
from examples.fulfilment.workflows import Fulfilment, NightlyReport
from squidie import Squidie
from squidie.errors import InvalidConfig


def settings() -> dict[str, float]:
    """The settings that the environment gives; the others have their defaults."""
    given = {name: os.environ.get(f"SQUIDIE_{name.upper()}") for name in ("lease", "sweep")}
    try:
        return {name: float(text) for name, text in given.items() if text}
    except ValueError:
        raise InvalidConfig("SQUIDIE_LEASE and SQUIDIE_SWEEP are numbers of seconds") from None


squidie = Squidie(database_url(), delivery="celery", workflows=[Fulfilment, NightlyReport], settings=settings())
