"""What the benchmark makes of its measurements."""

import io
import json

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.contenders import Floor, ThroughCelery
from benchmarks.rooms import ELSEWHERE, WAITING, room_of
from benchmarks.trial import Trial

FLOOR = Floor(report.FLOOR, "group", 32)
OURS = ThroughCelery(1)


def trial(contender, rate, elsewhere=0.0, faults=()):
    figures = dict.fromkeys((line.figure for line in report.LINES), None)
    return Trial(contender, figures | {"workflows_per_s": rate}, elsewhere, list(faults))


def series(*rounds):
    found = report.Series(2000, "18.0", [list(each) for each in rounds], [7000.0])
    found.compare()
    return found


def figure(found, contender, name):
    return report.spreads(found, contender)[name]


def test_each_repetition_is_compared_with_the_floor_of_its_own_round():
    found = series([trial(FLOOR, 1000), trial(OURS, 500)], [trial(FLOOR, 2000), trial(OURS, 1600)])

    assert figure(found, OURS, "of_the_floor") == (65, 50, 80)


def test_a_disturbed_repetition_counts_only_where_no_other_is_left():
    found = series([trial(FLOOR, 1000, 0.9), trial(OURS, 100, 0.9)], [trial(FLOOR, 900, 0.8), trial(OURS, 600)])

    assert figure(found, OURS, "workflows_per_s") == (600, 600, 600)
    assert figure(found, FLOOR, "workflows_per_s") == (950, 900, 1000)


def test_what_could_not_be_measured_is_left_open():
    assert figure(series([trial(FLOOR, 1000)]), FLOOR, "bells_per_workflow") is None


def test_the_table_shows_noise_and_what_is_broken():
    page = io.StringIO()

    report.show(series([trial(OURS, 500, 0.9, ["head_differs: run 1"])]), Console(file=page, width=report.WIDTH))

    assert "1 of 1 repetitions" in page.getvalue()
    assert "BROKEN head_differs: run 1" in page.getvalue()


def test_the_document_is_one_line_of_json_with_its_schema_and_the_faults():
    line = json.dumps(report.document(series([trial(OURS, 500, faults=["head_differs"])])))

    read = json.loads(line)
    assert (read["schema"], read["violations"]) == ("squidie.bench/1", ["head_differs"])
    assert read["contenders"][0]["figures"]["workflows_per_s"] == {"median": 500, "min": 500, "max": 500}


@pytest.mark.parametrize(
    ("place", "room"),
    [
        (("lib/squidie/engine/turn.py", 1, "take"), "engine"),
        (("lib/squidie/runtime.py", 1, "turn"), "squidie, the rest"),
        (("lib/sqlalchemy/engine/base.py", 1, "execute"), "sqlalchemy"),
        (("lib/psycopg/connection.py", 1, "wait"), WAITING),
        (("lib/psycopg/connection.py", 1, "execute"), "psycopg"),
        (("~", 0, "<method 'encode' of 'msgspec._core.Encoder' objects>"), "msgspec"),
        (("~", 0, "<built-in method posix.urandom>"), ELSEWHERE),
    ],
)
def test_time_is_charged_to_the_room_it_was_spent_in(place, room):
    assert room_of(place) == room
