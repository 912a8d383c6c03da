"""Text of somebody else's in one line: it steers no terminal, forges no line and tells no secret (14.4, 17.9)."""

import pytest

from squidie.history.lines import named, one_line, visible
from squidie.history.masking import Masking

MASKING = Masking(("token",))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\tb", "a b"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("evil\u202etxt", "evil\\u202etxt"),
        ("line\nline", "line\nline"),
    ],
)
def test_what_would_steer_a_terminal_is_told_by_its_number(text, shown):
    """14.4"""
    assert visible(text) == shown


def test_a_line_is_cut_where_it_is_long_and_has_no_breaks():
    """17.9"""
    assert one_line("a\n  b\r\nc") == "a b c"
    assert one_line("word " * 100, 10) == "word word…"


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        ("ann\nrefused: nothing", "ann refused: nothing"),
        ({"id": 7, "token": "t0k"}, '{"id":7,"token":"***"}'),
        (None, "null"),
        (object(), "a object"),
    ],
)
def test_who_it_was_is_one_line_without_his_secrets(actor, said):
    """17.9"""
    assert named(actor, MASKING) == said
