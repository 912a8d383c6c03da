"""Half a minute of `make faults`, and what the command says of rows that did not hold.

The whole of it is `python -m evidence faults`; see evidence/README.md.
"""

from __future__ import annotations

from random import Random
from types import SimpleNamespace

import pytest

from evidence import broker_faults, change_faults, faults, registry, report, time_faults
from evidence.proofs import Proof, files, prove
from evidence.proxy import Wire
from evidence.tampering import Tampering, parsed, written
from tests.support import criteria

PLAYED = {
    "R01": lambda cluster, told: broker_faults.flushed(cluster, told, 20, 4),
    "R09": broker_faults.malformed,
    "R10": broker_faults.failed_over,
    "T02": time_faults.back,
    "V15": change_faults.tampered,
}


@pytest.mark.parametrize("number", PLAYED)
def test_a_fault_that_is_played_once_changes_nothing_that_is_promised(celery_cluster, told, number):
    faults.one(celery_cluster, told, number, PLAYED[number])

    assert all(row.hits for row in told.of(number) if not row.scenario.endswith("afterwards"))


def test_the_page_names_the_scenarios_that_are_played():
    """What is read from the sources is what is imported."""
    imported = {
        number: f"evidence/{module}.py::{function.__name__}"
        for lane in registry.LANES
        for module in lane
        for number, function in registry.played_by(module).items()
    }

    assert criteria.scenarios() == imported
    assert {number for lane in registry.lanes() for number in lane} == set(imported)


GOOD = "tests/docs/test_criteria.py::test_numbers_are_read_from_the_first_words_of_a_docstring"
SIDES = "tests/docs/test_criteria.py::test_no_promise_of_a_section_is_left_out"


def test_tests_are_run_by_the_names_that_pages_cite_and_no_others(tmp_path):
    found, said = prove([GOOD, SIDES, "tests/docs/test_criteria.py::test_that_is_gone"], tmp_path, 60)

    assert {(proof.test, proof.outcome) for proof in found} == {(GOOD, "passed"), (SIDES, "passed")}
    assert len(found) == 8
    assert "8 passed" in said


def test_a_test_of_the_contract_is_run_where_adapters_derive_from_it():
    assert files(["squidie/testing/delivery.py::test_x", GOOD]) == [
        "tests/celery/test_contract.py",
        "tests/docs/test_criteria.py",
        "tests/notify/test_contract.py",
    ]


@pytest.mark.parametrize(
    ("proofs", "said"),
    [
        ([], "not run: a"),
        ([Proof("a", "failed", 0.1, "E  it broke")], "a failed: E  it broke"),
        ([Proof("a", "skipped", 0.1)], "a skipped"),
    ],
)
def test_a_row_whose_test_did_not_pass_has_not_held(proofs, said):
    row = report.Row("G01 by tests")

    faults._judge(row, ["a"], proofs, "")

    assert said in row.why[0]


def test_a_row_that_nothing_plays_shows_its_reason(monkeypatch):
    monkeypatch.setattr(criteria.FaultPage, "reasons", lambda page: {"R10": "there is no second Redis"})

    assert faults._told("R10", [])[0] == "not yet: there is no second Redis"
    assert faults._told("R01", [report.Row("R01 once", held=False, hits={"kill": 2})])[:3] == (
        "scenario",
        "NO",
        "kill 2",
    )


def test_messages_are_lost_doubled_and_held_back_however_their_bytes_arrive():
    fates = iter(("lost", "doubled", "held back", "passed on"))
    tampering, wire = Tampering(SimpleNamespace(choice=lambda _: next(fates))), Wire(None, None)
    sent = b"".join(written([b"LPUSH", b"q", word]) for word in (b"a", b"b", b"c", b"d"))
    out = b"".join(tampering(wire, sent[n : n + 7]) for n in range(0, len(sent), 7))

    heard = []
    while out:
        words, length = parsed(out)
        heard.append(words)
        out = out[length:]
    assert heard == [
        [b"LLEN", b"q"],
        [b"LPUSH", b"q", b"b", b"b"],
        [b"LLEN", b"q"],
        [b"LPUSH", b"q", b"d", b"c"],
    ]
    assert tampering.done.total() == 4


def test_what_is_no_message_passes_untouched():
    ping = written([b"PING"])

    assert Tampering(Random(1))(Wire(None, None), ping) == ping
