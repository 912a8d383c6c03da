"""The journey of an order, and the shop's nightly look at its own books."""

from __future__ import annotations

from examples.fulfilment import tasks
from examples.fulfilment.orders import OrderPlaced, Period
from squidie import Retry, Workflow, cron, manual, step

PATIENT = Retry(5, backoff="exponential", min="200ms", max="30s", jitter=True)


class Fulfilment(Workflow):
    """Take an order from payment to parcel."""

    payload = OrderPlaced
    triggers = (manual("placed"),)

    validate = step(tasks.validate_order, retry=PATIENT)
    reserve = step(tasks.reserve_stock, retry=PATIENT)
    charge = step(tasks.charge_card, retry=PATIENT, irreversible=True)
    ship = step(tasks.ship_order, retry=PATIENT)
    tell = step(tasks.notify_customer, retry=PATIENT)
    close = step(tasks.close_order, retry=PATIENT)

    flow = validate >> reserve >> charge >> [ship, tell] >> close


class NightlyReport(Workflow):
    """At three in the morning, count what was taken since yesterday's report, and name what does not add up."""

    payload = Period
    triggers = (
        cron(
            "nightly",
            "0 3 * * *",
            timezone="Europe/Oslo",
            input={"since": {"from": "window.start"}, "until": {"from": "window.end"}},
        ),
        manual("by_hand"),
    )

    reconcile = step(tasks.reconcile, retry=PATIENT)
    file = step(tasks.file_report, retry=PATIENT)

    flow = reconcile >> file
