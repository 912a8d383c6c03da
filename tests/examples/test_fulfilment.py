"""An order journey by the public door: what is refused and why, and what happens once whatever is tried twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from examples.fulfilment import catalogue, store, tasks
from examples.fulfilment.generate_orders import SPOILED, orders
from examples.fulfilment.orders import Address, Card, Customer, Line
from examples.fulfilment.workflows import Fulfilment, NightlyReport
from squidie import Fail, StepContext
from squidie.errors import RunUnsuccessful

ROOT = Path(__file__).parents[2]
CARD = Card("tok_1", "4242", "2030-01")


def work_off(squidie):
    while squidie.turn(["default"]).claimed:
        pass


def rows(table):
    with store.engine().connect() as connection:
        return list(connection.execute(select(table)))


def left(sku):
    return {row.sku: row.available for row in rows(store.stock)}[sku]


def context(step, attempt=1):
    run_id = "0190d3a2-0000-7000-8000-000000000001"
    return StepContext(
        run_id=run_id, workflow="Fulfilment", step=step, attempt=attempt, idempotency_key=f"{run_id}/{step}"
    )


def test_every_order_of_the_file_ends_as_it_should(shop):
    placed = orders()
    runs = shop.start_many(Fulfilment, placed, keys=[order["order_id"] for order in placed])

    work_off(shop)

    ended = [shop.ended(run.id) for run in runs]
    assert sum(status == "completed" for status, _, _ in ended) == 193
    assert [error["code"] for status, _, error in ended if status == "failed"] == [reason for reason, _ in SPOILED]
    assert_books_balance(placed, ended)


def assert_books_balance(placed, ended):
    paid = {
        order["order_id"]: order for order, (status, _, _) in zip(placed, ended, strict=True) if status == "completed"
    }
    assert {row.order_id: row.amount for row in rows(store.charges)} == {
        key: order["amount"] for key, order in paid.items()
    }
    assert len(rows(store.charges)) == len(rows(store.shipments)) == len(rows(store.messages)) == 193
    for sku, product in catalogue.PRODUCTS.items():
        sold = sum(line["quantity"] for order in paid.values() for line in order["items"] if line["sku"] == sku)
        assert left(sku) == product.stock - sold
    assert {row.status for row in rows(store.orders) if row.order_id in paid} == {"closed"}


def test_a_completed_order_says_what_was_paid_and_how_it_travels(shop):
    order = orders()[1]
    run = shop.start(Fulfilment, order, key=order["order_id"])

    work_off(shop)

    receipt = run.result(timeout=1)
    assert receipt["paid"] == order["amount"]
    assert receipt["tracking"] == rows(store.shipments)[0].tracking
    assert order["customer"]["name"] in rows(store.messages)[0].body


def test_a_refusal_says_why_in_words_and_as_a_code(shop):
    run = shop.start(Fulfilment, orders()[75])

    work_off(shop)

    with pytest.raises(RunUnsuccessful, match="the customer was shown") as refused:
        run.result(timeout=1)
    assert refused.value.error["code"] == "amount_mismatch"
    assert rows(store.charges) == []


def test_a_step_that_is_tried_again_meets_its_own_key(shop):
    basket = [Line("MUG-BLUE", 2), Line("MUG-BLUE", 1)]
    for attempt in (1, 2):
        tasks.reserve_stock(context("reserve", attempt), "A-1", basket)
        charged = tasks.charge_card(context("charge", attempt), "A-1", 1_000, "EUR", CARD)

    assert charged["met_its_own_key"]
    assert left("MUG-BLUE") == catalogue.PRODUCTS["MUG-BLUE"].stock - 3
    assert [row.attempt for row in rows(store.charge_calls)] == [1, 2]
    assert len(rows(store.charges)) == 1


def test_an_order_that_cannot_be_served_whole_takes_nothing(shop):
    bowls = catalogue.PRODUCTS["KINTSUGI-12"].stock

    with pytest.raises(Fail, match="are left") as refused:
        tasks.reserve_stock(context("reserve"), "A-1", [Line("APRON-LINEN", 1), Line("KINTSUGI-12", bowls + 1)])

    assert refused.value.code == "out_of_stock"
    assert left("APRON-LINEN") == catalogue.PRODUCTS["APRON-LINEN"].stock
    assert rows(store.reservations) == []


@pytest.mark.parametrize(("country", "code"), [("KP", "embargoed_country"), ("AQ", "country_not_served")])
def test_there_are_places_to_which_nothing_is_sent(shop, moment, country, code):
    with pytest.raises(Fail) as refused:
        tasks.validate_order(
            context("validate"),
            order_id="A-1",
            placed_on=moment.date(),
            customer=Customer("Ø", "o@example.org"),
            ship_to=Address("Ø", "1", "X", "0", country),
            items=[Line("MUG-BLUE", 1)],
            currency="EUR",
            amount=1_890,
            card=CARD,
            gift=False,
        )

    assert refused.value.code == code


def test_the_report_finds_nothing_wrong_and_adds_up(shop):
    placed = orders(count=16)
    shop.start_many(Fulfilment, placed)
    work_off(shop)

    report = shop.start(
        NightlyReport, {"since": "2020-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}, trigger="by_hand"
    )
    work_off(shop)

    taken = report.result(timeout=1)["taken"]
    with store.engine().connect() as connection:
        total = connection.execute(select(func.sum(store.charges.c.amount))).scalar_one()
    assert report.result(timeout=1)["wrong"] == []
    assert sum(each["amount"] for each in taken.values()) == total


def test_the_report_names_an_order_that_was_charged_twice(shop):
    run = shop.start(Fulfilment, orders()[1])
    work_off(shop)
    run.result(timeout=1)
    with store.engine().begin() as connection:
        charge = connection.execute(select(store.charges)).one()
        values = {name: value for name, value in charge._mapping.items() if name != "idempotency_key"}
        store.book_once(connection, store.charges, "by-mistake", values)

    found = tasks.reconcile(charge.at.replace(year=2020), charge.at.replace(year=2100))

    assert found["wrong"] == [charge.order_id]


def test_the_nightly_window_is_a_complete_payload(shop):
    shop.tick()

    with shop.engine.connect() as connection:
        schedule = connection.exec_driver_sql(
            "select workflow, trigger, timezone, next_at from squidie.schedules"
        ).one()

    assert schedule[:3] == ("NightlyReport", "nightly", "Europe/Oslo")
    assert schedule.next_at is not None


def test_without_a_database_the_app_says_what_is_missing():
    env = {name: value for name, value in os.environ.items() if name != "SQUIDIE_DATABASE_URL"}
    path = os.pathsep.join([str(ROOT), str(ROOT / "backends")])

    tried = subprocess.run(
        [sys.executable, "-c", "import examples.fulfilment.app"],
        cwd=ROOT,
        env={**env, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "MissingConfig: the shop has no database: SQUIDIE_DATABASE_URL is not set" in tried.stderr


def test_an_order_is_plain_json(shop):
    run = shop.start(Fulfilment, orders()[1])

    assert json.loads(json.dumps(shop.inspect_run(run.id).payload)) == orders()[1]
