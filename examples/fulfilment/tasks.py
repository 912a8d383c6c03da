"""The steps: plain functions, which know nothing of queues, leases or journals.

Orders are refused before anything is reserved or charged; `raise Fail(...)` ends the run with a reason that people and
programs can read.
"""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 (arguments are decoded by their annotations)
from hashlib import sha256
from typing import Any

from sqlalchemy import func, select, update

from examples.fulfilment import catalogue, gateway, store
from examples.fulfilment.orders import Address, Card, Customer, Line  # noqa: TC001 (likewise)
from squidie import Fail, StepContext


def validate_order(
    ctx: StepContext,
    *,
    order_id: str,
    placed_on: date,
    customer: Customer,
    ship_to: Address,
    items: list[Line],
    currency: str,
    amount: int,
    card: Card,
    gift: bool,
) -> dict[str, Any]:
    """Refuse what cannot be fulfilled, each for a stated reason; take the rest into the books."""
    _check_items(items)
    _check_country(ship_to.country)
    basket = [(line.sku, line.quantity) for line in items]
    expected = catalogue.total(basket, currency, country=ship_to.country, gift=gift)
    if amount != expected:
        shown, right = (catalogue.shown(each, currency) for each in (amount, expected))
        said = f"the customer was shown {shown}, the price list says {right}"
        raise Fail(said, code="amount_mismatch", details={"shown": amount, "expected": expected})
    if catalogue.in_euro_cents(amount, currency) > catalogue.LIMIT:
        raise Fail(
            "more than one order may cost without a telephone call",
            code="over_limit",
            details={"limit": catalogue.LIMIT},
        )
    if card.expires < f"{placed_on:%Y-%m}":
        raise Fail(f"the card ending in {card.last4} expired in {card.expires}", code="card_expired")
    with store.engine().begin() as connection:
        book = {"order_id": order_id, "customer": customer.name, "amount": amount, "currency": currency}
        store.book_once(connection, store.orders, str(ctx.run_id), book)
    return {"parcels": catalogue.parcels(basket)}


def _check_items(items: list[Line]) -> None:
    if not items:
        raise Fail("there is nothing in the basket", code="empty_basket")
    for line in items:
        if line.sku not in catalogue.PRODUCTS:
            raise Fail(f"we do not sell {line.sku}", code="unknown_sku", details={"sku": line.sku})
        if line.quantity < 1:
            raise Fail(f"{line.quantity} of {line.sku} cannot be sent", code="bad_quantity", details={"sku": line.sku})


def _check_country(country: str) -> None:
    if country in catalogue.EMBARGOED:
        raise Fail(f"nothing may be shipped to {country}", code="embargoed_country")
    if catalogue.postage(country) is None:
        raise Fail(f"we do not ship to {country}", code="country_not_served")


def reserve_stock(ctx: StepContext, order_id: str, items: list[Line]) -> dict[str, int]:
    """Take the items off the shelves, all or none, once.

    Shelves are locked in the order of their names, so that no two orders wait for each other.
    """
    wanted: dict[str, int] = {}
    for line in items:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    with store.engine().begin() as connection:
        if not store.book_once(
            connection, store.reservations, ctx.idempotency_key, {"order_id": order_id, "items": wanted}
        ):
            return wanted
        shelves = select(store.stock).where(store.stock.c.sku.in_(wanted)).order_by(store.stock.c.sku).with_for_update()
        left = {row.sku: row.available for row in connection.execute(shelves)}
        for sku, quantity in wanted.items():
            if left.get(sku, 0) < quantity:
                said = f"{quantity} of {sku} were ordered, {left.get(sku, 0)} are left"
                raise Fail(said, code="out_of_stock", details={"sku": sku})  # and the reservation is rolled back
            taken = (
                update(store.stock).where(store.stock.c.sku == sku).values(available=store.stock.c.available - quantity)
            )
            connection.execute(taken)
    return wanted


def charge_card(ctx: StepContext, order_id: str, amount: int, currency: str, card: Card) -> dict[str, Any]:
    """Take the money. It cannot be taken back, so the gateway gets a key that is the same at every try."""
    asked = gateway.Charge(order_id, amount, currency, card.last4)
    is_new = gateway.charge(store.engine(), ctx.idempotency_key, asked, attempt=ctx.attempt)
    return {"amount": amount, "currency": currency, "key": ctx.idempotency_key, "met_its_own_key": not is_new}


def ship_order(ctx: StepContext, order_id: str, ship_to: Address, validate: dict[str, Any]) -> dict[str, Any]:
    """Book the parcels; the tracking number follows from the key, so that a second booking is the first."""
    tracking = "SQ" + str(int(sha256(ctx.idempotency_key.encode()).hexdigest(), 16) % 10**12).zfill(12)
    parcels = validate["parcels"]
    with store.engine().begin() as connection:
        booked = {"order_id": order_id, "country": ship_to.country, "parcels": parcels, "tracking": tracking}
        store.book_once(connection, store.shipments, ctx.idempotency_key, booked)
    return {"tracking": tracking, "parcels": len(parcels), "grams": sum(parcels)}


def notify_customer(
    ctx: StepContext,
    *,
    order_id: str,
    customer: Customer,
    ship_to: Address,
    charge: dict[str, Any],
    gift: bool,
    greeting: str | None,
) -> int:
    """Write to the customer, once; gives back the length of the message."""
    paid = catalogue.shown(charge["amount"], charge["currency"])
    lines = [
        f"{customer.name}: we have received {paid} for order {order_id}.",
        f"It goes to {ship_to.name}, {ship_to.city}.",
    ]
    if gift:
        lines.append(f"It is wrapped as a gift{f', with your words: {greeting}' if greeting else ''}.")
    body = "\n".join(lines)
    with store.engine().begin() as connection:
        store.book_once(
            connection, store.messages, ctx.idempotency_key, {"order_id": order_id, "to": customer.email, "body": body}
        )
    return len(body)


def close_order(
    ctx: StepContext, order_id: str, charge: dict[str, Any], ship: dict[str, Any], tell: int
) -> dict[str, Any]:
    """Close the books on the order: what it cost, how it travels."""
    receipt = {"paid": charge["amount"], "currency": charge["currency"], "tracking": ship["tracking"], "told": tell > 0}
    closing = update(store.orders).where(store.orders.c.idempotency_key == str(ctx.run_id))
    with store.engine().begin() as connection:
        connection.execute(closing.values(status="closed", receipt=receipt))
    return {"order_id": order_id, **receipt}


def reconcile(since: datetime, until: datetime) -> dict[str, Any]:
    """What was taken in a period, by currency, and which closed orders have not exactly one charge of their amount."""
    charges, orders = store.charges.c, store.orders.c
    taken = (
        select(charges.currency, func.count(), func.sum(charges.amount))
        .where(charges.at >= since, charges.at < until)
        .group_by(charges.currency)
    )
    paid = (
        select(charges.order_id, func.count().label("times"), func.sum(charges.amount).label("amount"))
        .group_by(charges.order_id)
        .subquery()
    )
    joined = store.orders.outerjoin(paid, paid.c.order_id == orders.order_id)
    wrong = (
        select(orders.order_id)
        .select_from(joined)
        .where(
            orders.status == "closed",
            orders.at >= since,
            orders.at < until,
            (paid.c.times.is_distinct_from(1)) | (paid.c.amount.is_distinct_from(orders.amount)),
        )
    )
    with store.engine().connect() as connection:
        by_currency = {
            currency: {"charges": n, "amount": int(amount)} for currency, n, amount in connection.execute(taken)
        }
        return {"taken": by_currency, "wrong": sorted(connection.execute(wrong).scalars())}


def file_report(ctx: StepContext, since: datetime, until: datetime, reconcile: dict[str, Any]) -> dict[str, Any]:
    """Keep the figures of the period, once."""
    figures = {"since": since.isoformat(), "until": until.isoformat(), **reconcile}
    with store.engine().begin() as connection:
        store.book_once(connection, store.reports, ctx.idempotency_key, {"figures": figures})
    return figures
