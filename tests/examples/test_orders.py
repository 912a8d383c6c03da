"""The file of orders is what its generator makes, and as varied as it says."""

import json
from collections import Counter
from pathlib import Path

from examples.fulfilment import catalogue
from examples.fulfilment.generate_orders import SPOILED, orders
from examples.fulfilment.orders import OrderPlaced
from examples.fulfilment.people import people
from squidie.workflow.payload import admit, contract

FILE = Path(__file__).parents[2] / "examples/fulfilment/orders.jsonl"
ORDERS = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]


def test_the_file_is_what_the_seed_makes():
    assert orders() == ORDERS


def test_there_are_two_hundred_orders_each_with_a_key_of_its_own():
    assert len({order["order_id"] for order in ORDERS}) == 200


def test_every_order_fits_the_payload_contract(moment):
    fields = contract(OrderPlaced)

    assert [admit(fields, order, now=moment) for order in ORDERS] == ORDERS


def test_seven_orders_are_spoiled_each_in_another_way():
    assert len(SPOILED) == len({reason for reason, _ in SPOILED}) == 7


def test_people_write_in_many_scripts_and_pay_in_many_currencies():
    first_letters = {person["name"][0] for person in people()}

    assert sum(ord(letter) > 0x0250 for letter in first_letters) > 15
    assert {order["currency"] for order in ORDERS} == set(catalogue.CURRENCIES)
    assert Counter(order["gift"] for order in ORDERS)[True] > 20


def test_money_is_shown_with_the_decimals_of_its_currency():
    shown = [catalogue.shown(1_234_567, currency) for currency in ("NOK", "JPY", "BHD")]

    assert shown == ["NOK 12,345.67", "JPY 1,234,567", "BHD 1,234.567"]


def test_no_parcel_is_too_heavy_and_nothing_is_left_out():
    basket = [("SET-TASTING", 5), ("MUG-BLUE", 24), ("SPOON-OLIVE", 3)]

    weights = catalogue.parcels(basket)

    assert max(weights) <= catalogue.PARCEL
    assert sum(weights) == sum(catalogue.PRODUCTS[sku].grams * quantity for sku, quantity in basket)
