"""Paths, and what they find when a step is run (1.12 and 1.15)."""

import pytest

from squidie.workflow import Node
from squidie.workflow.mapping import MissingPath, Path, bind, compile_input, lookup, parse_path

ROOTS = {
    "payload": {"order": {"lines": [{"sku": "a"}, {"sku": "b"}], "0": "zero", "a.b": 1, "none": None}},
    "reserve": "hold-7",
    "ctx": object(),
}


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("order", Path(("order",))),
        ("order.total", Path(("order", "total"))),
        ("order.total?", Path(("order", "total"), optional=True)),
        (["order", "total"], Path(("order", "total"))),
        (("lines", 0, "sku"), Path(("lines", "0", "sku"))),
        ("order.a\\.b", Path(("order", "a.b"))),
        ("order.why\\?", Path(("order", "why?"))),
        (["a.b", "c\\d", "e?"], Path(("a.b", "c\\d", "e?"))),
    ],
)
def test_a_path_is_text_or_a_list(written, path):
    """1.12: dotted text or a list, optional with a ? at its end."""
    assert parse_path(written) == path
    assert parse_path(str(path)) == path


@pytest.mark.parametrize(
    "written",
    ["", ".", "a.", ".a", "a..b", "a?.b", "??", "a\\", [], [""], [None], [True], 5, None, {"a": 1}, "a" * 1001],
)
def test_what_is_no_path_is_refused(written):
    with pytest.raises(ValueError, match="path"):
        parse_path(written)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("reserve", "hold-7"),
        ("payload.order.lines.1.sku", "b"),
        ("payload.order.0", "zero"),
        ("payload.order.a\\.b", 1),
        ("payload.order.none", None),
        ("ctx", ROOTS["ctx"]),
    ],
)
def test_a_path_finds_its_value(path, value):
    assert lookup(path, ROOTS) == value
    assert bind({"x": path}, ROOTS) == {"x": value}
    assert bind({"x": f"{path}?"}, ROOTS) == {"x": value}


@pytest.mark.parametrize(
    ("path", "missing_at"),
    [
        ("charge.total", "charge"),
        ("payload.total.x", "payload.total"),
        ("payload.order.lines.2.sku", "payload.order.lines.2"),
        ("payload.order.lines.-1", "payload.order.lines.-1"),
        ("payload.order.lines.first.sku", "payload.order.lines.first"),
        ("payload.order.none.x", "payload.order.none.x"),
        ("reserve.0", "reserve.0"),
        ("reserve.hold", "reserve.hold"),
        ("ctx.run_id", "ctx.run_id"),
        ("payload.order.x\\.y.z", "payload.order.x\\.y"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(path, missing_at):
    """1.15: `missing_at` is the prefix up to the first absent part."""
    with pytest.raises(MissingPath) as caught:
        bind({"fine": "reserve", "x": path}, ROOTS)

    assert caught.value.details == {"parameter": "x", "path": path, "missing_at": missing_at}
    assert (caught.value.parameter, caught.value.path, caught.value.missing_at) == ("x", path, missing_at)


def test_an_optional_path_that_leads_nowhere_leaves_the_parameter_to_its_default():
    """1.12: the default then applies."""
    assert bind({"x": "charge.total?", "y": "reserve"}, ROOTS) == {"y": "hold-7"}


def test_a_nodes_input_is_worked_out_once():
    node = Node(name="ship", action="a:b", input={"x": "reserve"})

    assert compile_input(node) is compile_input(node)
    assert compile_input(node)(ROOTS) == {"x": "hold-7"}
    assert compile_input(Node(name="ship", action="a:b"))(ROOTS) == {}
