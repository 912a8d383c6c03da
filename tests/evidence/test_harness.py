"""The harness itself would notice: its checks fire, its wire breaks, its report says no."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from evidence import checks, report
from evidence.__main__ import main
from evidence.effects import Effect
from evidence.proxy import FaultProxy
from squidie.testing import eventually

RUN, CLAIM, OTHER = uuid4(), uuid4(), uuid4()


def effect(claim=CLAIM, attempt=1, *, accepted=True):
    return Effect(RUN, "first", f"{RUN}/first", attempt, claim, 1, datetime.now(UTC), accepted)


def told(kind="attempt_completed", claim=CLAIM, step="first"):
    return SimpleNamespace(run_id=RUN, step=step, claim=claim, kind=kind)


def effects_found(effects, claims, *, may_erase=False):
    found = checks.Findings()
    checks._effects(effects, claims, found, may_erase=may_erase)
    return found


def test_one_effect_a_claim_is_sound():
    """E1"""
    found = effects_found(
        [effect(OTHER), effect(accepted=False)], [told("attempt_expired", OTHER), told("attempt_completed")]
    )

    assert (found.wrong, found.effects, found.again) == ([], 2, 1)


@pytest.mark.parametrize(
    ("effects", "claims", "said"),
    [
        ([effect(), effect(accepted=False)], [told()], "E1: 2 effects"),
        ([effect(accepted=False)], [told()], "accepted 0 times"),
        ([], [told()], "completed without an effect"),
        ([effect(OTHER), effect(accepted=False)], [told()], "E3: the claim of"),
    ],
)
def test_effects_that_the_journal_does_not_account_for_are_named(effects, claims, said):
    """E1, E3"""
    assert any(said in line for line in effects_found(effects, claims).wrong)


def test_a_claim_that_a_crash_may_have_erased_is_counted_and_not_named():
    """E1, G25"""
    found = effects_found([effect(OTHER), effect(accepted=False)], [told()], may_erase=True)

    assert (found.wrong, found.erased) == ([], 1)


@pytest.mark.parametrize(
    ("books", "said"),
    [([], "no row"), ([told(), told()], "2 row(s)"), ([told(claim=OTHER)], "0 fact(s)")],
)
def test_rows_of_a_transactional_step_that_are_not_its_facts_are_named(books, said):
    """E2"""
    found = checks.Findings()

    checks._books({RUN: "Booked"}, [told()], books, found, {("Booked", "first")})

    assert any(said in line for line in found.wrong)


@pytest.fixture
def latest(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "LATEST", tmp_path / "latest.json")
    return tmp_path / "latest.json"


def closed(*rows):
    made = report.Report("command", 7, 60)
    for harm in rows:
        with made.scenario("one") as row:
            row.hit("kill")
            harm(row)
    return made.close()


def test_a_report_of_rows_that_held_is_a_success_and_is_kept(latest, capsys):
    assert closed(lambda row: row.recovery.append(0.5)) == 0

    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (line["scenario"], line["seed"], line["held"], line["hits"]) == ("one", 7, True, {"kill": 1})
    assert json.loads(latest.read_text("utf-8"))["command"]["longest_recovery"] == 0.5


def fail(_):
    raise AssertionError("it did not come so far")


@pytest.mark.parametrize(
    "harm",
    [
        lambda row: row.violations.append("second_outcome"),
        lambda row: row.stuck.append("stuck: due_not_claimed"),
        lambda row: row.expect(holds=False, what="4 outcomes"),
        lambda row: row.hits.clear(),
        fail,
    ],
)
def test_one_row_that_did_not_hold_is_a_failure_and_the_others_are_played(latest, harm):
    """A fault that did not happen proves nothing, so its row fails, too."""
    assert closed(harm, lambda row: None) == 1
    assert [row["held"] for row in json.loads(latest.read_text("utf-8"))["command"]["rows"]] == [False, True]


def test_a_report_without_rows_is_no_success(latest):
    assert closed() == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["magic"],
        ["resilience", "--only", "magic"],
        ["faults", "--only", "Z01"],
        ["soak", "--seconds", "1"],
        ["soak", "--seconds", "nan"],
        ["soak", "--rate", "0"],
        ["soak", "--seed", "-1"],
        ["soak", "--cap", "soon"],
        ["chaos", "--programs", "0"],
        ["chaos", "--programs", "1.5"],
        ["chaos", "--seconds", "inf"],
    ],
)
def test_what_is_asked_for_wrongly_is_a_usage_error_before_anything_is_started(arguments):
    """16"""
    with pytest.raises(SystemExit) as raised:
        main(arguments)

    assert raised.value.code == 2


@pytest.fixture
def echo():
    """A server that gives back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(client):
        with suppress(OSError), client:
            while data := client.recv(1024):
                client.sendall(data)

    def serve():
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with FaultProxy(listener.getsockname()) as proxy:
        yield proxy
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def call(proxy, word=b"hello", timeout=5.0):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout) as line:
        line.settimeout(timeout)
        line.sendall(word)
        return line.recv(1024)


def test_a_wire_passes_everything_on_until_it_is_told_otherwise(echo):
    assert call(echo) == b"hello"
    assert not echo.hits


def test_a_wire_may_be_slow_or_swallow_everything_for_a_while(echo):
    echo.latency = 0.02
    assert call(echo) == b"hello"
    assert echo.hits["latency"] == 2
    echo.heal()
    echo.blackhole = True
    with pytest.raises(TimeoutError):
        call(echo, timeout=0.2)
    echo.heal()
    assert call(echo) == b"hello"
    assert echo.hits["blackhole"] >= 1


def test_a_wire_may_refuse_and_reset(echo):
    echo.refuse = True
    with suppress(ConnectionError):
        assert call(echo) == b""
    echo.heal()
    with socket.create_connection(("127.0.0.1", echo.port), timeout=5) as line:
        line.sendall(b"x")
        assert line.recv(10) == b"x"
        echo.reset()
        with pytest.raises(ConnectionError):
            line.recv(10)
    assert (echo.hits["refuse"], echo.hits["reset"]) == (1, 1)


@pytest.mark.parametrize(("when", "written"), [("before", 0), ("after", 1)])
def test_a_commit_is_cut_before_the_server_hears_it_or_after_it_has_answered(
    services, empty_database_url, when, written
):
    """M13: both look the same to whoever asked."""
    with FaultProxy.to_postgres(empty_database_url) as proxy:
        near, far = create_engine(empty_database_url), create_engine(proxy.postgres_url(empty_database_url))
        with near.begin() as connection:
            connection.execute(text("create table words (word text)"))
        proxy.cut(when)

        with pytest.raises(OperationalError), far.begin() as connection:
            connection.execute(text("insert into words values ('a')"))

        with near.connect() as connection:
            count = eventually(lambda: connection.execute(text("select count(*) + 1 from words")).scalar_one())
        assert (count - 1, proxy.hits[f"cut {when}"]) == (written, 1)
        near.dispose()
        far.dispose()
