"""Make `orders.jsonl`: two hundred orders, of which exactly seven must be refused. The same seed makes the same file.

python -m examples.fulfilment.generate_orders > examples/fulfilment/orders.jsonl
"""

from __future__ import annotations

import json
import random
import sys
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from examples.fulfilment import catalogue
from examples.fulfilment.people import GREETINGS, people

if TYPE_CHECKING:
    from collections.abc import Callable

SEED, ORDERS = 1_861, 200
FIRST_DAY = date(2026, 11, 2)
RARE = "KINTSUGI-12"
COMMON = [sku for sku in catalogue.PRODUCTS if sku not in (RARE, "SET-TASTING")]
Order = dict[str, Any]


def orders(seed: int = SEED, count: int = ORDERS) -> list[Order]:
    """All orders, in the order in which they came in."""
    dice, who = random.Random(seed), people()
    made = [
        _order(number, who[number * 7 % len(who)], who[(number * 7 + 13) % len(who)], dice)
        for number in range(1, count + 1)
    ]
    step = count // (len(SPOILED) + 1)
    for place, (_, spoil) in enumerate(SPOILED, 1):
        spoil(made[place * step])
    return made


def _order(number: int, person: dict[str, str], friend: dict[str, str], dice: random.Random) -> Order:
    placed_on = FIRST_DAY + timedelta(days=number // 40)
    gift = dice.random() < 0.15
    receiver = friend if gift else person
    order = {
        "order_id": f"A-{10_000 + number}",
        "placed_on": placed_on.isoformat(),
        "customer": {"name": person["name"], "email": f"customer{number}@example.org"},
        "ship_to": {field: receiver[field] for field in ("name", "street", "city", "postcode", "country")},
        "items": _basket(number, dice),
        "currency": person["currency"],
        "amount": 0,
        "card": _card(number, placed_on, dice),
        "gift": gift,
        "greeting": dice.choice(GREETINGS) if gift and dice.random() < 0.8 else None,
    }
    return _priced(order)


def _basket(number: int, dice: random.Random) -> list[dict[str, Any]]:
    """Mostly a few small things; now and then an office that stocks up, or one of the rare bowls."""
    if number % 33 == 0:
        return [_line("SET-TASTING", dice.randint(2, 6)), _line("MUG-BLUE", 24), _line("MUG-SAND", 24)]
    if number % 40 == 1:
        return [_line(RARE, 1)]
    chosen = dice.sample(COMMON, dice.choice([1, 1, 1, 2, 2, 3, 4, 7]))
    return [_line(sku, dice.choice([1, 1, 1, 2, 2, 3, 6])) for sku in chosen]


def _line(sku: str, quantity: int) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity}


def _card(number: int, placed_on: date, dice: random.Random) -> dict[str, str]:
    """A card that lasts at least until the end of the order's month."""
    months = placed_on.year * 12 + placed_on.month - 1 + dice.randint(0, 47)
    return {
        "token": f"tok_{SEED}_{number:04d}",
        "last4": f"{dice.randrange(10_000):04d}",
        "expires": f"{months // 12}-{months % 12 + 1:02d}",
    }


def _priced(order: Order) -> Order:
    basket = [(line["sku"], line["quantity"]) for line in order["items"]]
    order["amount"] = catalogue.total(
        basket, order["currency"], country=order["ship_to"]["country"], gift=order["gift"]
    )
    return order


# What must be refused, and how such an order comes about: everything else about it is in order.
def _unknown_sku(order: Order) -> None:
    order["items"].append(_line("MUG-PLAID", 1))


def _bad_quantity(order: Order) -> None:
    order["items"].append(_line("SPOON-OLIVE", -2))


def _amount_mismatch(order: Order) -> None:
    order["amount"] -= 100


def _card_expired(order: Order) -> None:
    order["card"]["expires"] = "2026-10"


def _embargoed_country(order: Order) -> None:
    order["ship_to"]["country"] = "KP"


def _out_of_stock(order: Order) -> None:
    order["items"] = [_line(RARE, catalogue.PRODUCTS[RARE].stock + 1)]
    _priced(order)


def _over_limit(order: Order) -> None:
    order["items"] = [_line("SET-TASTING", 16)]
    _priced(order)


SPOILED: tuple[tuple[str, Callable[[Order], None]], ...] = (
    ("unknown_sku", _unknown_sku),
    ("bad_quantity", _bad_quantity),
    ("amount_mismatch", _amount_mismatch),
    ("card_expired", _card_expired),
    ("embargoed_country", _embargoed_country),
    ("out_of_stock", _out_of_stock),
    ("over_limit", _over_limit),
)
"""The reasons, in the order in which they appear in the file."""


if __name__ == "__main__":
    for each in orders():
        sys.stdout.write(json.dumps(each, ensure_ascii=False) + "\n")
