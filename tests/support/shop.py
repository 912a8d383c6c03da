"""A shop with work in every state, played by hand on a clock that stands still: what the pages show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypedDict

from squidie import Limit, Retry, StepContext, Workflow, approval, cron, event, manual, pause, step
from squidie.testing.clock import set_clock
from tests.support.lab import change, claim, completion, failure, settle

START = datetime(2026, 3, 10, 14, 2, 11, tzinfo=UTC)
OWNER = "w1:4121:b1"
SHORT_IDS = (
    "9c7f3b", "42ad0e", "b81f56", "e07c19", "77e0d2", "5e19d4", "30c2aa", "d4417f", "1b9e60", "c6a835", "0f2d71",
    "8e5b3c", "a4c90d", "63f81e", "d2b746", "59e0a8",
)  # fmt: skip
"""The ids by which the pages know the runs, in the order in which these are started."""


class Money(TypedDict):
    order_id: int


def validate(order_id: int) -> dict:
    return {"order_id": order_id}


def reserve(order_id: int) -> str:
    return "h-1"


def price(order_id: int) -> float:
    return 90.5


def charge(ctx: StepContext) -> str:
    return "paid"


def ship(order_id: int) -> str:
    return "sent"


def notify(order_id: int) -> str:
    return "told"


def fetch(order_id: int) -> int:
    return 0


def load(order_id: int) -> int:
    return 0


class RefundOrder(Workflow):
    """Give the money back, after a look."""

    payload = Money
    triggers = (manual("refund"),)
    validate_order = step(validate)
    reserve_stock = step(reserve, retry=Retry(3, min=5, max=5))
    price_quote = step(price)
    charge_card = step(charge, retry=Retry(5, backoff="exponential", min=60, max=3600), irreversible=True)
    approve_refund = approval(role="ops", due="4h")
    ship_order = step(ship)
    notify_customer = step(notify)
    flow = (
        validate_order >> [reserve_stock, price_quote],
        price_quote >> [charge_card, approve_refund],
        [reserve_stock, charge_card, approve_refund] >> ship_order >> notify_customer,
    )


class OrderFlow(Workflow):
    """Charge, then wait for the parcel service."""

    payload = Money
    triggers = (manual("placed"),)
    charge_card = step(charge, irreversible=True)
    parcel = event("parcel_sent", timeout="2d")
    notify_customer = step(notify)
    flow = charge_card >> parcel >> notify_customer


class NightlySync(Workflow):
    """Bring the stock of the warehouse over, every night."""

    payload = Money
    triggers = (cron("nightly", "0 3 * * *", timezone="Europe/Oslo", input={"order_id": 0}), manual("now"))
    fetch_pages = step(fetch, queue="etl")
    load_pages = step(load, queue="etl")
    flow = fetch_pages >> load_pages


class SendInvoice(Workflow):
    """One letter."""

    payload = Money
    triggers = (manual("send"),)
    render_pdf = step(notify, on_give_up="park", limit=Limit("printer", 2))


class ReturnParcel(Workflow):
    """Somebody agrees, somebody else has a look."""

    payload = Money
    triggers = (manual("asked"),)
    agreed = approval(role="shop", due="1d")
    looked_at = pause()
    notify_customer = step(notify)
    flow = [agreed, looked_at] >> notify_customer


ALL = (RefundOrder, OrderFlow, NightlySync, SendInvoice, ReturnParcel)


class OrderFlowOfTomorrow(Workflow):
    """The same, and a parcel is insured before it is told of."""

    name = "OrderFlow"
    payload = Money
    triggers = (manual("placed"),)
    charge_card = step(charge, irreversible=True)
    parcel = event("parcel_sent", timeout="3d")
    insure = step(reserve)
    notify_customer = step(notify)
    flow = charge_card >> parcel >> insure >> notify_customer


TOMORROW = (RefundOrder, OrderFlowOfTomorrow, SendInvoice, ReturnParcel)
"""What is deployed next: the nightly workflow has been forgotten."""

WORKER = """
insert into {s}.workers (owner, host, pid, role, queues, actions, version, code_version, delivery, slots, started_at,
    seen_at, bell_ok_at)
values (:owner, :host, :pid, 'worker', :queues, :actions, '0.1.0', '2026.03', 'celery', 4,
    :at - interval '6 hours', :at, :at)
"""


class Shop:
    """The clock, and the hands that move the work on."""

    def __init__(self, squidie):
        self.squidie = squidie
        self.now = START
        self.runs = []
        self.at(START)

    def at(self, when):
        self.now = when
        set_clock(self.squidie.engine, when)

    def later(self, **length):
        self.at(self.now + timedelta(**length))

    def start(self, workflow, **options):
        run = self.squidie.start(workflow, {"order_id": 8841 + len(self.runs)}, actor="api", **options)
        self.runs.append(run)
        return run

    def take(self, *steps, queue="default", owner=OWNER):
        """Claim these steps, which are all that is due; their rows."""
        rows = {}
        for _ in steps:
            rows |= {row.step: row for row in claim(self.squidie, queue=queue, owner=owner)}
        assert rows.keys() == set(steps), rows
        found = [rows[step] for step in steps]
        return found[0] if len(found) == 1 else found

    def done(self, row, output=None):
        assert settle(self.squidie, completion(row, output)) is None

    def failed(self, row, message, *, retryable=True):
        assert settle(self.squidie, failure(row, message, retryable=retryable)) is None

    def workers(self, *names):
        served = sorted(self.squidie.registry.served)
        change(self.squidie, "delete from {s}.workers")
        for pid, name in enumerate(names, 4121):
            given = {"owner": f"{name}:{pid}:b1", "host": name, "pid": pid, "queues": ["default", "payments"]}
            change(self.squidie, WORKER, actions=served, at=self.now, **given)


def play(squidie):
    """Runs in every state; the clock stands at 16:16:40 in the end."""
    shop = Shop(squidie)
    squidie.schedules.sync()
    refund(shop)
    order(shop)
    sync(shop)
    invoices(shop)
    shop.at(START + timedelta(hours=2, minutes=14, seconds=29))
    shop.workers("w1", "w2")
    running(shop)
    shop.later(seconds=41)
    shop.workers("w1", "w2")
    change(squidie, "update {s}.attempts set lease_until = {s}.clock() + interval '20 s' where claim_id is not null")
    return shop


def refund(shop):
    """Waits for a person, and for a bank that answers at the third try, perhaps."""
    shop.start(RefundOrder)
    row = shop.take("validate_order")
    shop.later(milliseconds=120)
    shop.done(row, {"order_id": 8841})
    reserving, pricing = shop.take("reserve_stock", "price_quote")
    shop.later(milliseconds=310)
    shop.done(pricing, 90.5)
    shop.failed(reserving, "the warehouse did not answer")
    charging = shop.take("charge_card")
    shop.later(milliseconds=900)
    shop.failed(charging, "the bank did not answer: 504")
    shop.later(seconds=6)
    reserving = shop.take("reserve_stock")
    shop.later(milliseconds=840)
    shop.done(reserving, "h-1")
    shop.at(START + timedelta(hours=2, minutes=14))
    charging = shop.take("charge_card")
    shop.later(milliseconds=700)
    shop.failed(charging, "the bank did not answer: 504")


def order(shop):
    """Paid; and waits for the parcel service."""
    shop.at(START + timedelta(minutes=2))
    shop.start(OrderFlow, key="order-8842", attributes={"customer": "north"})
    row = shop.take("charge_card")
    shop.later(milliseconds=420)
    shop.done(row, "paid")
    done = shop.start(OrderFlow)
    row = shop.take("charge_card")
    shop.later(milliseconds=380)
    shop.done(row, "paid")
    shop.squidie.signal_run(done.id, event="parcel_sent", payload={"parcel": "p-17"}, actor="parcels@dock")
    row = shop.take("notify_customer")
    shop.later(milliseconds=90)
    shop.done(row, "told")
    gone = shop.start(OrderFlow)
    shop.later(seconds=3)
    shop.squidie.cancel(gone.id, reason="the customer has called", actor="maya@ops")


def sync(shop):
    """Due on a queue that nobody serves."""
    shop.at(START + timedelta(hours=1, minutes=56))
    shop.start(NightlySync)


def invoices(shop):
    """Two are parked, one has failed for good and was put away."""
    for _ in range(3):
        shop.start(SendInvoice)
        row = shop.take("render_pdf")
        shop.later(milliseconds=600)
        shop.failed(row, "no font 'Inter'", retryable=False)
    shop.later(seconds=30)
    shop.squidie.discard(shop.runs[-2].id, "render_pdf", reason="sent by hand", actor="maya@ops")


def running(shop):
    """Held by a worker that is alive."""
    shop.start(OrderFlow)
    shop.take("charge_card", owner="w2:4122:b1")
    shop.later(milliseconds=200)
    shop.start(ReturnParcel)
