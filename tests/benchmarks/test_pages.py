"""The page of costs and its picture are what was measured, and nothing else."""

import tomllib
from xml.etree import ElementTree as ET

import pytest

from benchmarks import pages
from benchmarks.chart import Bar, Panel, draw
from benchmarks.peers import environments, listing
from benchmarks.peers.environments import Installed

DRIVERS = pages.ROOT / "benchmarks/peers"


def test_the_page_of_costs_is_what_was_measured():
    assert pages.PAGE.read_text("utf-8") == pages.page(pages.kept()), "run: python -m benchmarks.pages"


def test_the_picture_is_what_was_measured():
    assert pages.PICTURE.read_text("utf-8") == pages.picture(pages.kept()), "run: python -m benchmarks.pages"


def test_what_is_kept_has_a_schema_and_was_sound():
    for document in pages.kept().values():
        assert document["schema"] == "squidie.bench/1"
        assert [each["violations"] for each in document["workloads"]] == [[]] * len(document["workloads"])


def test_bars_are_in_proportion_and_names_are_text():
    bars = (Bar("a < b", 50, 40, 60, "peer"), Bar("ours", 100, 100, 100, "ours"))

    drawn = ET.fromstring(draw([Panel("Title", bars, 0)]))

    space = "{http://www.w3.org/2000/svg}"
    widths = [float(each.get("width")) for each in drawn.iter(f"{space}rect")]
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.01)
    assert "a < b" in [each.text for each in drawn.iter(f"{space}text")]
    assert len(list(drawn.iter(f"{space}line"))) == 1


def test_every_peer_is_pinned_has_a_driver_and_is_measured():
    pins = tomllib.loads(environments.PINS.read_text("utf-8"))
    measured = listing.peers(dict.fromkeys(pins, Installed("", "not here")))

    assert {each.driver for each in measured} == {*pins, "chain", "by_hand"}
    assert all((DRIVERS / f"{each.driver}.py").exists() for each in measured)
    assert all("==" in package for pin in pins.values() for package in pin["requires"])


def test_a_peer_that_cannot_be_installed_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path)

    installed = environments._install("none", "9.9", [])

    assert installed == Installed("", "needs Python 9.9, and there is none on PATH")
