"""What an order is: the payload of `Fulfilment`, as dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime  # noqa: TC003 (the contract is read from the annotations)
from typing import Literal


@dataclass(frozen=True)
class Customer:
    """Who ordered."""

    name: str
    email: str


@dataclass(frozen=True)
class Address:
    """Where it goes. `country` is the two letters of ISO 3166."""

    name: str
    street: str
    city: str
    postcode: str
    country: str


@dataclass(frozen=True)
class Line:
    """One line of the basket."""

    sku: str
    quantity: int


@dataclass(frozen=True)
class Card:
    """What the payment gateway left us of the card; `expires` is a month, `2027-03`."""

    token: str
    last4: str
    expires: str


@dataclass(frozen=True)
class OrderPlaced:
    """An order as the front end sent it. `amount` is the total that the customer saw, in minor units of `currency`."""

    order_id: str
    placed_on: date
    customer: Customer
    ship_to: Address
    items: list[Line]
    currency: Literal["EUR", "NOK", "GBP", "USD", "JPY", "INR", "BHD"]
    amount: int
    card: Card
    gift: bool = False
    greeting: str | None = None


@dataclass(frozen=True)
class Period:
    """What a nightly report is about."""

    since: datetime
    until: datetime
