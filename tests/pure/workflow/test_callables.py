"""What a callable says of itself, without being called (1.23 and 1.25)."""

import ast
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from uuid import UUID

import msgspec
import pytest

from squidie.errors import InvalidArgument, InvalidSpec, UnstorableValue
from squidie.workflow import StepContext
from squidie.workflow.callables import Parameter, describe


@dataclass
class Order:
    order_id: int
    due: date


class Colour(StrEnum):
    RED = "red"


class Task:
    """As much of a task as is looked at."""

    name = "shop.tasks.charge"

    def run(self, order_id: int): ...
    def __call__(self, *args, **kwargs): ...


def plain(order_id: int, note="x", *args, ctx=None, **kwargs): ...
def typed(
    order: Order, day: date, orders: list[Order], colour: Colour, price: Decimal | None = None, key: UUID | None = None
): ...


def test_a_function_is_named_by_module_and_qualified_name():
    """1.25: an action is `module:function`."""
    action = describe(plain)

    assert action.name == f"{__name__}:plain"
    assert action.parameters[0] == Parameter("order_id", int)
    assert [p.name for p in action.parameters] == ["order_id", "note", "ctx"]
    assert action.parameters[2].is_ctx
    assert action.takes_any
    assert not action.is_async


def test_a_task_goes_by_its_own_name_and_the_parameters_of_its_run():
    """1.25: or a task's name."""
    task = Task()
    action = describe(task)

    assert (action.name, action.function) == ("shop.tasks.charge", task)
    assert [p.name for p in action.parameters] == ["order_id"]


def test_a_coroutine_function_is_known_as_one():
    """1.23: any function, coroutine function or task."""

    async def later(): ...

    assert describe(later).is_async


def test_a_bound_method_is_an_action():
    class Shop:
        def charge(self, order_id): ...

    assert [p.name for p in describe(Shop().charge).parameters] == ["order_id"]


@pytest.mark.parametrize("call", [3, None, Order, object(), print, lambda x, /: x])
def test_what_has_no_name_or_no_parameters_by_name_is_no_action(call):
    if call is print:
        assert describe(call).name == "builtins:print"
        return
    with pytest.raises(InvalidSpec) as caught:
        describe(call)
    assert caught.value.issues[0].code == "not_callable"


ran = []


@pytest.mark.parametrize(
    "annotation",
    [
        "ran.append(1)",
        "[ran.append(1)]",
        "list['ran.append(1)']",
        "(lambda: ran.append(1))()",
        "{**ran.append(1)}",
        "ran.append(1) or int",
        "f'{ran.append(1)}'",
        list["ran.append(1)"],
        "not python at all",
        "(" * 500,
        "x" * 10_000,
        "Nowhere",
        "ast.nothing.at.all",
        "1 + 1",
    ],
)
def test_a_hostile_annotation_never_runs_and_counts_as_any(annotation):
    """1.11: binding reads annotations and never runs them."""

    def hostile(x): ...

    hostile.__annotations__ = {"x": annotation, "return": annotation}
    action = describe(hostile)

    assert ran == []
    assert action.decode({"x": 5}) == {"x": 5}
    assert action.encode({"x": 5}) == {"x": 5}


class Hostile:
    """A default that does something whatever is done to it."""

    def _run(self, *_):
        raise AssertionError("it ran")

    __call__ = __eq__ = __bool__ = __iter__ = __repr__ = __str__ = __len__ = __hash__ = _run


def test_a_hostile_default_never_runs():
    def hostile(x=Hostile()): ...  # noqa: B008

    assert describe(hostile).parameters[0].has_default


def test_an_annotation_as_text_is_looked_up():
    def later(
        order: "Order", colours: "list[Colour] | None", tree: "ast.AST", ctx_by_class: "StepContext"
    ) -> "Order": ...

    action = describe(later)
    assert [p.annotation for p in action.parameters] == [Order, list[Colour] | None, ast.AST, StepContext]
    assert action.returns is Order
    assert action.parameters[3].is_ctx


def test_a_context_that_only_type_checkers_import_is_known_by_its_text():
    def step(where): ...

    step.__annotations__ = {"where": "workflow.StepContext"}
    assert describe(step).parameters[0].is_ctx


# decode


def test_without_typed_parameters_decoding_does_nothing():
    kwargs = {"order_id": 1, "note": {"a": [1]}}

    assert describe(plain).decode(kwargs) is kwargs


def test_typed_parameters_get_their_type_back():
    """1.9: a typed object decodes back to its type."""
    given = {
        "order": {"order_id": 7, "due": "2025-01-02"},
        "day": "2025-01-02",
        "orders": [{"order_id": 7, "due": "2025-01-02"}],
        "colour": "red",
        "price": "1.50",
        "key": None,
    }
    order = Order(7, date(2025, 1, 2))

    assert describe(typed).decode(given) == {
        "order": order,
        "day": date(2025, 1, 2),
        "orders": [order],
        "colour": Colour.RED,
        "price": Decimal("1.50"),
        "key": None,
    }


def test_an_argument_that_does_not_fit_is_refused_without_its_value():
    with pytest.raises(InvalidArgument) as caught:
        describe(typed).decode({"colour": "hunter2"})

    assert caught.value.details["argument"] == "colour"
    assert "hunter2" not in str(caught.value)
    with pytest.raises(InvalidArgument, match=r"expected `int`, got `str`, at \$.order_id"):
        describe(typed).decode({"order": {"order_id": "7", "due": "2025-01-02"}})


class Model:
    """Shaped like a pydantic model, which is not a dependency."""

    model_fields = MappingProxyType({})

    def __init__(self, value):
        self.value = value

    @classmethod
    def model_validate(cls, value):
        if value == "wrong":
            raise ValueError("wrong is wrong")
        return cls(value)

    def model_dump(self, *, mode):
        return {"value": self.value, "mode": mode}


def test_a_model_is_validated_and_dumped():
    def step(one: Model, many: list[Model]) -> list[Model]: ...

    action = describe(step)
    decoded = action.decode({"one": {"a": 1}, "many": [{"b": 2}]})
    assert (decoded["one"].value, decoded["many"][0].value) == ({"a": 1}, {"b": 2})
    assert action.encode([Model(3)]) == [{"value": 3, "mode": "json"}]
    assert describe(plain).encode(Model(3)) == {"value": 3, "mode": "json"}
    with pytest.raises(InvalidArgument):
        action.decode({"one": "wrong"})


# encode


@pytest.mark.parametrize(
    "result", [{"a": [1]}, "text", 5, 1.5, None, True, [1, {"b": 2}], date(2025, 1, 2), object(), {1, 2}]
)
def test_without_a_declared_type_a_result_passes_untouched(result):
    assert describe(plain).encode(result) is result


def test_a_typed_object_is_encoded_declared_or_not():
    """1.23: typed objects are encoded."""

    class Made(msgspec.Struct):
        x: int

    expected = {"order_id": 7, "due": "2025-01-02"}
    assert describe(plain).encode(Order(7, date(2025, 1, 2))) == expected
    assert describe(plain).encode(Made(1)) == {"x": 1}


def test_a_declared_type_is_encoded_inside_lists_too():
    def many() -> list[Order]: ...
    def day() -> date: ...

    assert describe(many).encode([Order(7, date(2025, 1, 2))]) == [{"order_id": 7, "due": "2025-01-02"}]
    assert describe(day).encode(date(2025, 1, 2)) == "2025-01-02"


def test_a_typed_object_that_holds_something_without_json_is_refused():
    with pytest.raises(UnstorableValue):
        describe(plain).encode(Order(object(), date(2025, 1, 2)))


def pay(amount: int, ctx: StepContext, currency: str = "EUR") -> None:
    """What a graph may name with other arguments than it takes today."""


def forward(amount: int, **rest: int) -> None:
    """Takes whatever is given."""


@pytest.mark.parametrize(
    ("call", "given", "why"),
    [
        (pay, ["amount", "ctx"], None),
        (pay, ["amount", "ctx", "currency"], None),
        (pay, ["total", "ctx"], "takes no total"),
        (pay, ["amount"], "needs ctx"),
        (pay, [], "needs amount, ctx"),
        (forward, ["amount", "anything"], None),
        (forward, ["anything"], "needs amount"),
    ],
)
def test_an_action_says_why_arguments_of_a_graph_do_not_fit_it(call, given, why):
    """4.9: graphs outlive the signatures of what they call."""
    assert describe(call).misfit(given) == why
