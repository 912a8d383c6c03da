"""What the benchmark's workers without a broker load, as `SQUIDIE_APP=benchmarks.notify_app:squidie`."""

import os

from benchmarks.workload import serving
from squidie_notify import NotifyDelivery

squidie = serving(os.environ["SQUIDIE_DATABASE_URL"], NotifyDelivery())
