"""The pages of promises are what the tests say, and every promise has one."""

import pytest

from tests.support import criteria


@pytest.mark.parametrize("page", criteria.PAGES, ids=lambda page: page.name)
def test_every_promise_has_a_test_that_cites_it(page):
    assert not page.missing(), "no test cites these: begin a docstring with the number"


@pytest.mark.parametrize("page", criteria.PAGES, ids=lambda page: page.name)
def test_the_page_of_promises_is_up_to_date(page):
    assert page.path.read_text("utf-8") == page.text(), "run: python -m tests.support.criteria"


def test_numbers_are_read_from_the_first_words_of_a_docstring():
    assert criteria.numbers("5.7, 5.10: the number stays.") == ["5.7", "5.10"]
    assert criteria.numbers("1.5 to 1.7 and 2.1: several.") == ["1.5", "1.6", "1.7", "2.1"]
    assert criteria.numbers("B08 to B10, Q3: clauses.") == ["B08", "B09", "B10", "Q3"]
    assert criteria.numbers("A text about 5.7: no.") == []


def test_a_promise_without_a_test_is_missed(monkeypatch):
    cited = {number: tests for number, tests in criteria.cited().items() if number not in {"5.7", "B10"}}
    monkeypatch.setattr(criteria, "cited", lambda: cited)

    assert [page.missing() for page in criteria.PAGES] == [["5.7"], ["B10"], []]


@pytest.mark.parametrize("section", [1, 2, 5, 6, 7, 8, 17])
def test_no_promise_of_a_section_is_left_out(section):
    numbered = [number for part in criteria.PAGES[0].promises().values() for number in part]
    found = sorted(int(number.partition(".")[2]) for number in numbered if number.startswith(f"{section}."))

    assert found == list(range(1, len(found) + 1))


def test_each_promise_is_missed_for_itself(monkeypatch):
    plain = criteria.cited()
    (page, *_) = criteria.PAGES
    for number in [number for part in page.promises().values() for number in part if "." in number]:
        others = {other: tests for other, tests in plain.items() if other != number}
        monkeypatch.setattr(criteria, "cited", lambda others=others: others)
        assert page.missing() == [number]


def test_a_fault_that_nothing_plays_is_missed(monkeypatch):
    cited = {number: tests for number, tests in criteria.cited().items() if number != "G41"}
    monkeypatch.setattr(criteria, "cited", lambda: cited)

    assert criteria.FAULTS.missing() == ["G41"]


def test_every_row_of_the_list_of_faults_is_there():
    sizes = {"R": 11, "P": 18, "T": 9, "V": 15, "G": 42}

    assert criteria.FAULTS.numbers() == tuple(f"{row}{n:02}" for row, most in sizes.items() for n in range(1, most + 1))


def test_no_fault_that_is_played_is_said_not_to_be():
    faults = criteria.FAULTS
    played = [row for row in faults.reasons() if row in criteria.scenarios() or faults.tests(row)]

    assert not played, "take these out of `open` in docs/reference/faults.toml"
