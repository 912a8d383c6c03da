"""Drawings of a graph (UX 8.3): what they look like, and that no line leads where it should not."""

from __future__ import annotations

import random
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.reference import workflows as reference
from squidie.views.drawing import dot, mermaid, svg, text
from squidie.views.drawing.colours import COLOURS
from squidie.views.graph import graph_of_spec
from squidie.views.layout import layout
from squidie.views.states import State
from squidie.workflow.dsl import to_spec
from squidie.workflow.spec import Condition, Edge, Node, Spec, Trigger, TriggerKind

REFUND = {
    "validate_order": (),
    "reserve_stock": ("validate_order",),
    "price_quote": ("validate_order",),
    "charge_card": ("price_quote",),
    "approve": ("price_quote",),
    "ship_order": ("reserve_stock", "charge_card", "approve"),
    "notify": ("ship_order",),
}


def graph(after):
    """A graph by what each node comes after."""
    edges = tuple(Edge(source=source, target=name) for name, sources in after.items() for source in sources)
    triggers = (Trigger(name="go", kind=TriggerKind.MANUAL),)
    nodes = tuple(Node(name=name, action="a:b") for name in after)
    return graph_of_spec(Spec(name="Drawn", triggers=triggers, nodes=nodes, edges=edges))


def drawn(after, **options):
    return text.draw(graph(after), **options).splitlines()


def test_branches_and_joins_are_drawn_from_left_to_right():
    """13.4"""
    assert drawn(REFUND, width=100) == [
        "○ validate_order ─┬──▶ ○ reserve_stock ─────────────────────╮",
        "                  ╰──▶ ○ price_quote ───┬──▶ ○ charge_card ─┼──▶ ○ ship_order ──▶ ○ notify",
        "                                        ╰──▶ ○ approve ─────╯",
    ]


def test_a_graph_wider_than_the_terminal_is_a_list():
    """13.4"""
    assert drawn(REFUND, width=80)[-2:] == [
        "○ not started  ship_order      after reserve_stock, charge_card, approve",
        "○ not started  notify          after ship_order",
    ]
    assert max(map(len, drawn(REFUND, width=80))) <= 80


def test_ascii_says_the_same():
    """13.4"""
    lines = drawn(REFUND, width=120, ascii=True)
    assert lines[0].startswith("[ ] validate_order -+--> [ ] reserve_stock ---")
    assert lines[2].endswith("+--> [ ] approve -----+")
    assert "\n".join(lines).isascii()


def test_what_lines_cannot_say_is_said_below():
    """13.4: conditions, fallbacks, ways for failure."""
    shown = text.draw(graph_of_spec(to_spec(reference.PaymentRecovery)))
    assert shown.splitlines() == [
        "○ invoice ──▶ ○ gateway ─┬──▶ ○ notify",
        "                         ╰──▶ ○ credit",
        "",
        "  gateway → notify  if gateway.status_code > 199",
        "  gateway → credit  otherwise or on error",
    ]


def test_a_list_says_where_paths_can_end():
    """13.4"""
    edges = (Edge(source="a", target="b", when=Condition(path="a", exists=True)), Edge(source="a", target="end"))
    nodes = tuple(Node(name=name, action="a:b") for name in "ab")
    spec = Spec(name="Ends", triggers=(Trigger(name="go", kind=TriggerKind.MANUAL),), nodes=nodes, edges=edges)
    assert text.listed(graph_of_spec(spec)).splitlines() == [
        "○ not started  a",
        "○ not started  b  after a if a exists",
        "",
        "  a → end  otherwise",
    ]


def test_lines_that_could_be_misread_are_not_drawn():
    """13.4: where one line would seem to lead to another's target it is a list."""
    doubtful = {"a": (), "b": (), "c": ("a", "b"), "d": ("a", "b"), "e": ("b",)}
    assert drawn(doubtful)[2] == "○ not started  c  after a, b"
    shown = drawn({"a": (), "b": (), "c": ("a",), "d": ("a", "b")})
    assert shown == ["○ a ─╮", "     ├────▶ ○ c", "○ b ─│─╮", "     ╰─┴──▶ ○ d"]
    bundle = {"a": (), "b": (), "c": ("a", "b"), "d": ("a", "b")}
    assert drawn(bundle) == ["○ a ─┬──▶ ○ c", "○ b ─┴──▶ ○ d"]


UP, RIGHT, DOWN, LEFT = 1, 2, 4, 8
MOVES = {UP: (-1, 0), RIGHT: (0, 1), DOWN: (1, 0), LEFT: (0, -1)}
BACK = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}
SIGNS = {sign: ways for ways, sign in enumerate(" ╵╶╰╷│╭├╴╯─┴╮┤┬┼") if ways}


def read(lines):
    """Who leads to whom, by following the lines as an eye does: never back to the left, across what crosses."""
    width = max(map(len, lines))
    rows = [line.ljust(width) for line in lines]
    names = {}
    for y, row in enumerate(rows):
        for x in (n for n, sign in enumerate(row) if sign == "○"):
            names[y, x] = row[x + 2 :].split()[0]
    found = set()
    for (y, x), name in names.items():
        start = (y, x + 2 + len(name) + 1)
        found |= {(name, names[end]) for end in _ends(rows, start, RIGHT)}
    return found


def _ends(rows, start, way):
    """The nodes that a stretch of line leads to."""
    seen, todo = set(), [(start, way)]
    while todo:
        (y, x), way = todo.pop()
        if ((y, x), way) in seen or not (0 <= y < len(rows) and 0 <= x < len(rows[0])):
            continue
        seen.add(((y, x), way))
        sign = rows[y][x]
        if sign == "▶":
            yield y, x + 2
        if sign not in SIGNS:
            continue
        ways = SIGNS[sign]
        is_crossed = sign == "│" and way in (LEFT, RIGHT)
        if not is_crossed and not ways & BACK[way]:
            continue
        outs = [way] if is_crossed else [out for out in MOVES if ways & out and out not in (LEFT, BACK[way])]
        todo += [((y + MOVES[out][0], x + MOVES[out][1]), out) for out in outs]


@st.composite
def acyclic(draw):
    """Up to eight nodes, each after some of those before it."""
    names = [f"n{n}" for n in range(draw(st.integers(1, 8)))]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:n]), max_size=3, unique=True))) if n else ()
        for n, name in enumerate(names)
    }


@given(acyclic())
def test_what_is_drawn_reads_as_it_was_declared(after):
    """13.4: whoever follows the lines finds the edges, all of them and no others."""
    lines = drawn(after, width=10_000)
    if "not started" in lines[0]:
        assert len(lines) == len(after)
    else:
        assert read(lines) == {(source, name) for name, sources in after.items() for source in sources}


@given(acyclic())
def test_a_layout_puts_each_item_in_a_place_of_its_own_and_sources_to_the_left(after):
    """13.4"""
    edges = [(source, name) for name, sources in after.items() for source in sources]
    placed = layout(list(after), edges)
    layer = {item: n for n, items in enumerate(placed.layers) for item in items}
    assert all(layer[source] < layer[target] for source, target in edges)
    for items in placed.layers:
        rows = [placed.rows[item] for item in items]
        assert rows == sorted(set(rows))
    assert all(
        [layer[item] for item in line] == list(range(layer[line[0]], layer[line[-1]] + 1))
        for line in placed.lines.values()
    )


@given(acyclic(), st.randoms())
def test_pictures_show_every_node_in_whatever_state_and_every_edge(after, dice: random.Random):
    """13.4: glyph and word, well-formed SVG, every node once."""
    plain = graph(after)
    states = [dice.choice(list(State)) for _ in plain.nodes]
    nodes = tuple(msgspec.structs.replace(node, state=state) for node, state in zip(plain.nodes, states, strict=True))
    run = msgspec.structs.replace(plain, nodes=nodes, run_id="a run", short_id="9c7f3b", state=State.RUNNING)
    picture = ET.fromstring(svg.draw(run))
    found = {each.get("data-node"): "".join(each.itertext()) for each in picture.iter() if each.get("data-node")}
    lines = [each.get("data-edge") for each in picture.iter() if each.get("data-edge")]

    assert found == {node.id: f"{node.id}{node.state.glyph} {node.state.word}" for node in nodes}
    assert sorted(lines) == sorted(edge.id for edge in run.edges)
    for node in nodes:
        assert f'{node.id}["{node.id}<br>{node.state.glyph} {node.state.word}"]:::{node.state}' in mermaid.draw(run)
        assert f'"{node.id}" [label="{node.id}\\n{node.state.glyph} {node.state.word}"' in dot.draw(run)


@pytest.mark.parametrize("workflow", reference.ALL, ids=lambda each: each.__name__)
def test_the_reference_workflows_fit_a_terminal(workflow):
    """13.4"""
    lines = text.draw(graph_of_spec(to_spec(workflow))).splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("not started" in line for line in lines)


def luminance(colour):
    """How bright it is, from 0 to 1, as WCAG 2 has it."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


@pytest.mark.parametrize("state", State)
def test_every_state_can_be_read_on_light_and_on_dark(state):
    """UX 2.1: at least 4.5 to 1."""
    ink, tint, dark_ink, dark_tint = COLOURS[state]
    for one, other in ((ink, tint), (dark_ink, dark_tint)):
        low, high = sorted((luminance(one), luminance(other)))
        assert (high + 0.05) / (low + 0.05) >= 4.5


def test_names_that_mermaid_keeps_for_itself_are_told_apart():
    """13.4"""
    shown = mermaid.draw(graph({"graph": (), "graph_": ("graph",), "style": ("graph_",)}))
    assert 'graph_["graph"]' in shown
    assert 'graph__["graph_"]' in shown
    assert "graph__ --> style_" in shown


def test_a_thousand_nodes_are_placed_in_no_time():
    """UX 7: a layout is no reason to wait."""
    names = [f"n{n}" for n in range(1000)]
    placed = layout(names, [(names[n // 3], names[n]) for n in range(1, 1000)])
    assert sum(map(len, placed.layers)) == 1000
