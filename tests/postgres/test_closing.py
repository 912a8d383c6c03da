"""Connections end with the journal that opened them, whoever is using one at that moment."""

from __future__ import annotations

import pytest

from squidie.errors import JournalUnavailable
from squidie.journal.store import Journal


def test_what_a_thread_still_uses_at_the_close_is_closed_when_it_comes_back(database_url):
    journal = Journal(database_url)
    with journal.reading() as connection:
        raw = connection.connection.driver_connection
        journal.close()
        assert not raw.closed

    assert raw.closed


def test_a_closed_journal_that_is_asked_again_answers_and_keeps_no_connection(database_url):
    journal = Journal(database_url)
    journal.close()
    for _ in range(2):
        with journal.reading() as connection:
            raw = connection.connection.driver_connection
        assert raw.closed


def test_a_connection_that_cannot_be_set_up_is_closed(database_url, monkeypatch):
    from psycopg import Connection

    met = []

    def cut(raw, *_, **__):
        met.append(raw)
        from psycopg import OperationalError

        raise OperationalError("server closed the connection unexpectedly")

    journal = Journal(database_url)
    monkeypatch.setattr(Connection, "execute", cut)
    with pytest.raises(JournalUnavailable), journal.reading():
        pass
    monkeypatch.undo()

    assert [raw.closed for raw in met] == [True]
    journal.close()
