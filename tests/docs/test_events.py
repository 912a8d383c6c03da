"""The page of events is what the code says (17.7)."""

from squidie.history.facts import KINDS
from squidie.telemetry import OTHERS, SPANS, name_of
from tests.support import events


def test_the_page_of_events_is_up_to_date():
    """17.7: generated, with every event, attribute and measure."""
    page = events.PAGE.read_text("utf-8")

    assert page == events.text(), f"run: {events.COMMAND}"
    assert all(f"| `{name}` |" in page for name in (*map(name_of, KINDS), *OTHERS, *SPANS))
