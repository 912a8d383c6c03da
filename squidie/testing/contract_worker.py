"""What workers of the delivery contract load, as `SQUIDIE_APP=squidie.testing.contract_worker:squidie` or as a module.

`SQUIDIE_DELIVERY` is the adapter's class as `module:Class`, since an adapter under test may not be registered yet;
unset, there are no bells.
"""

from __future__ import annotations

import os
import sys
from pkgutil import resolve_name

from squidie.testing.contract_app import contract_squidie
from squidie.worker import serve

adapter = os.environ.get("SQUIDIE_DELIVERY")
squidie = contract_squidie(resolve_name(adapter)() if adapter else None)

if __name__ == "__main__":
    queues = os.environ.get("SQUIDIE_QUEUES", "default").split(",")
    sys.exit(serve(squidie, queues, concurrency=int(os.environ.get("SQUIDIE_CONCURRENCY", "2"))))
