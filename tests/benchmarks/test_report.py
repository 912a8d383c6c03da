"""What the benchmark makes of its measurements."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from benchmarks import figures, report, throughput
from benchmarks.__main__ import chosen
from benchmarks.catalogue import WORKLOADS
from benchmarks.contenders import FLOOR as FLOOR_NAME
from benchmarks.contenders import Floor, ThroughCelery
from benchmarks.figures import at_least, at_most
from benchmarks.peer import Peer
from benchmarks.rooms import ELSEWHERE, WAITING, room_of
from benchmarks.watch import Trial, quantile

FLOOR = Floor(FLOOR_NAME, "group", 32)
OURS = ThroughCelery(1)
PEER = Peer("DBOS", "dbos", "python")


def trial(contender, rate, elsewhere=0.0, faults=()):
    return Trial(contender, {"workflows_per_s": rate}, elsewhere, list(faults))


def series(*rounds, against=throughput.W1.against):
    workload = replace(throughput.W1, against=against, lines=throughput.LINES + throughput.BESIDE)
    found = report.Series(workload, "18.0", [list(each) for each in rounds], [7000.0])
    found.compare()
    return found


def figure(found, contender, name):
    return report.spreads(found, contender)[name]


def shown(found):
    page = io.StringIO()
    report.show(found, Console(file=page, width=report.WIDTH))
    return page.getvalue()


def test_each_repetition_is_compared_with_the_floor_of_its_own_round():
    found = series([trial(FLOOR, 1000), trial(OURS, 500)], [trial(FLOOR, 2000), trial(OURS, 1600)])

    assert figure(found, OURS, "of_the_floor") == (65, 50, 80)


def test_a_peer_is_compared_by_its_like_where_it_ran_with_several_numbers_of_processes():
    rounds = [trial(PEER, 50), trial(replace(PEER, processes=2), 80), trial(OURS, 1000), trial(ThroughCelery(2), 1600)]

    found = series(rounds, against=throughput.AGAINST_PEERS)

    assert figure(found, OURS, "times_dbos") == (20, 20, 20)
    assert figure(found, ThroughCelery(2), "times_dbos") == (20, 20, 20)


def test_a_disturbed_repetition_counts_only_where_no_other_is_left():
    found = series([trial(FLOOR, 1000, 0.9), trial(OURS, 100, 0.9)], [trial(FLOOR, 900, 0.8), trial(OURS, 600)])

    assert figure(found, OURS, "workflows_per_s") == (600, 600, 600)
    assert figure(found, FLOOR, "workflows_per_s") == (950, 900, 1000)


def test_what_could_not_be_measured_is_left_open():
    assert figure(series([trial(FLOOR, 1000)]), FLOOR, "bells_per_workflow") is None


def test_a_peer_that_fails_is_said_to_have_failed_and_breaks_nothing():
    found = series([trial(OURS, 500), Trial(PEER, {}, failure="AssertionError: it did not start")])

    assert "DBOS has failed: AssertionError: it did not start" in shown(found)
    assert report.document(found)["failures"] == {"DBOS": "AssertionError: it did not start"}
    assert found.faults() == []


def test_squidie_failing_is_a_fault():
    assert series([Trial(OURS, {}, failure="AssertionError: stuck")]).faults() == ["AssertionError: stuck"]


@pytest.mark.parametrize(
    ("goal", "ours", "said"),
    [
        (at_most(7), [6, 7], "met"),
        (at_most(7), [6, 8], "1 of 2 met"),
        (at_least(60), [59.9], "missed"),
        (at_least(60), [], ""),
        (None, [1], ""),
    ],
)
def test_a_goal_is_met_missed_or_met_by_some(goal, ours, said):
    assert report.verdict(goal, ours) == said


def test_the_table_shows_goals_noise_and_what_is_broken():
    page = shown(series([trial(FLOOR, 1000), trial(OURS, 500, 0.9, ["head_differs: run 1"])]))

    assert "≥ 60" in page
    assert "missed" in page
    assert "1 of 2 repetitions" in page
    assert "BROKEN head_differs: run 1" in page


def test_the_document_is_one_line_of_json_with_its_schema_and_the_faults():
    line = json.dumps(report.document(series([trial(OURS, 500, faults=["head_differs"])])))

    read = json.loads(line)
    assert (read["schema"], read["workload"], read["violations"]) == ("squidie.bench/1", "w1", ["head_differs"])
    assert read["contenders"][0]["figures"]["workflows_per_s"] == {"median": 500, "min": 500, "max": 500}


def test_every_workload_of_the_list_is_there_and_says_what_is_a_goal():
    assert [each.name for each in WORKLOADS] == [f"W{number}" for number in range(1, 10)]
    assert all(any(line.goal for line in each.lines) for each in WORKLOADS)


def test_what_is_compared_is_shown():
    for workload in WORKLOADS:
        assert {each.name for each in workload.against} <= {line.figure for line in workload.lines}


def test_only_chooses_workloads_by_their_names_and_contenders_by_a_part_of_theirs():
    (w1,) = chosen(WORKLOADS, ["w1", "notify"])

    assert {each.name for each in w1.contenders if figures.is_ours(each)} == {"squidie, notify"}
    assert any(isinstance(each, Floor) for each in w1.contenders)


def test_a_quantile_is_one_of_the_values():
    assert [quantile(range(1, 101), part) for part in (0.5, 0.99, 1.0)] == [51, 99, 100]


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
