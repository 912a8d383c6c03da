"""The page of promises is what the tests say, and every promise has one."""

from tests.support import criteria


def test_every_promise_has_a_test_that_cites_it():
    assert not criteria.missing(), "no test cites these: begin a docstring with the number"


def test_the_page_of_promises_is_up_to_date():
    shown = criteria.PAGE.read_text("utf-8")

    assert shown == criteria.page(), "run: python -m tests.support.criteria"


def test_numbers_are_read_from_the_first_words_of_a_docstring():
    assert criteria.numbers("5.7, 5.10: the number stays.") == ["5.7", "5.10"]
    assert criteria.numbers("1.5 to 1.7 and 2.1: several.") == ["1.5", "1.6", "1.7", "2.1"]
    assert criteria.numbers("A text about 5.7: no.") == []
