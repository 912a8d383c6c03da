"""What undoes a step: how it is declared, and what its parameters are bound to (18.2 and 1.22)."""

from dataclasses import dataclass

import pytest

from squidie.errors import InvalidSpec
from squidie.workflow import Compensate, PayloadField, Retry, Spec, Workflow, manual, step, validate_spec
from squidie.workflow.registry import Registry
from squidie.workflow.spec import UNDO_RETRY, OnStuck

ORDER = [PayloadField(name="order", type="object"), PayloadField(name="until", type="string")]


@dataclass
class Hold:
    hold_id: str
    until: str
    note: str | None = None


def first(): ...
def reserve(order, count=1, ctx=None) -> Hold: ...
def loose(order) -> Hold | None: ...
def release(): ...


def declare(undo, call=reserve, **options):
    a, b = step(first), step(call, output="hold", compensate=undo, **options)
    return type("W", (Workflow,), {"triggers": manual("s"), "payload": ORDER, "first": a, "take": b, "flow": a >> b})


def inputs(undo, call=reserve, **options):
    spec = declare(undo, call, **options).spec
    assert validate_spec(spec.to_json()) == ()
    assert Spec.from_json(spec.to_json()) == spec
    return spec.by_name["take"].compensate.input


def refused(undo, call=reserve, **options):
    with pytest.raises(InvalidSpec) as caught:
        declare(undo, call, **options)
    return {(issue.path.replace("steps.take.compensate", "."), issue.code) for issue in caught.value.issues}


def test_a_callable_alone_is_enough():
    """18.2: with the default policy, under a name of its own."""
    spec = declare(release).spec
    undo = spec.work["compensate:take"]

    assert undo.action == f"{__name__}:release"
    assert undo.retry == UNDO_RETRY == Retry(5)


def test_more_can_be_said_of_an_undo():
    """18.2: own retry policy, when_unsure, on_stuck."""
    said = Compensate(release, when_unsure=True, retry=Retry(9), on_stuck="continue", queue="slow")
    found = declare(said).spec.by_name["take"].compensate

    assert (found.when_unsure, found.retry, found.on_stuck, found.queue) == (True, Retry(9), OnStuck.CONTINUE, "slow")


def test_the_code_of_an_undo_is_served_and_its_queue_is_known():
    """1.25: it is looked up in what the process was given."""
    registry = Registry([declare(Compensate(release, queue="slow"), queue="fast")])

    assert registry.action(f"{__name__}:release").function is release
    assert registry.queues("default") == {"default", "fast", "slow"}


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda ctx: 0, {"ctx": "ctx"}),
        (lambda output, error: 0, {"output": "output", "error": "error"}),
        (lambda input: 0, {"input": "input"}),  # noqa: A006 - the word for what the step was given
        (lambda hold: 0, {"hold": "hold"}),
        (lambda first: 0, {"first": "first"}),
        (lambda until: 0, {"until": "payload.until"}),
        (lambda hold_id: 0, {"hold_id": "output.hold_id"}),
        (lambda note: 0, {"note": "output.note"}),
        (lambda order: 0, {"order": "payload.order"}),
        (lambda nothing=1: 0, {}),
    ],
)
def test_its_parameters_bind_by_name(call, expected):
    """18.2: input, output, error, outputs, payload, what the step returns."""
    assert inputs(call) == expected


def test_the_arguments_of_the_step_come_after_what_it_returns():
    def take(hold_id, extra): ...

    undo = Compensate(lambda extra, order: 0)
    given = {"hold_id": "order.a", "extra": "order.b"}
    assert inputs(undo, take, input=given) == {"extra": "input.extra", "order": "payload.order"}


def test_an_argument_that_the_step_is_not_given_binds_nothing():
    assert refused(lambda count: 0) == {("..input.count", "unbound_parameter")}
    assert inputs(lambda count=3: 0) == {}


def test_an_explicit_input_comes_first():
    undo = Compensate(lambda hold, x, y: 0, input={"hold": "order.id", "x": "output.hold_id", "y": ["first", "z"]})

    assert inputs(undo) == {"hold": "payload.order.id", "x": "output.hold_id", "y": "first.z"}


def test_what_takes_any_keyword_takes_what_input_names():
    assert inputs(Compensate(lambda **kwargs: 0, input={"x": "order.id"})) == {"x": "payload.order.id"}


def test_a_result_that_may_be_missing_needs_a_default():
    """1.14: an attempt that nobody knows of has no result."""
    unsure = Compensate(lambda hold_id: 0, when_unsure=True)

    assert refused(unsure) == {("..input.hold_id", "maybe_missing_input")}
    assert inputs(Compensate(lambda hold_id="": 0, when_unsure=True)) == {"hold_id": "output.hold_id?"}
    assert refused(lambda hold_id: 0, loose) == {("..input.hold_id", "maybe_missing_input")}
    assert inputs(lambda hold_id="": 0, loose) == {"hold_id": "output.hold_id?"}


def test_what_nothing_binds_is_refused():
    """1.11: unbound_parameter, at the undo's own path."""
    assert refused(lambda nobody: 0) == {("..input.nobody", "unbound_parameter")}


@pytest.mark.parametrize(
    ("undo", "path", "code"),
    [
        (Compensate(lambda: 0, input={"x": "order"}), "..input.x", "unknown_parameter"),
        (Compensate(lambda ctx: 0, input={"ctx": "order"}), "..input.ctx", "unknown_parameter"),
        (Compensate(lambda x: 0, input={"x": "nobody.x"}), "..input.x", "unknown_input_path"),
        (Compensate(lambda x: 0, input={"x": "input.nothing"}), "..input.x", "unknown_input_path"),
        (Compensate(lambda x: 0, input={"x": "input.ctx"}), "..input.x", "unknown_input_path"),
        (Compensate(lambda x: 0, input={"x": ""}), "..input.x", "unknown_input_path"),
        (Compensate(lambda x: 0, input={"x": "output.hold_id?"}), "..input.x", "unbound_parameter"),
        (Compensate(lambda: 0, input=["x"]), "..input", "unknown_input_path"),
        (Compensate(lambda: 0, on_stuck="cry"), "..on_stuck", "invalid_compensation"),
        (Compensate(lambda: 0, when_unsure="perhaps"), "..when_unsure", "invalid_compensation"),
        (Compensate(lambda: 0, queue="a b"), "..queue", "invalid_name"),
        (Compensate(lambda: 0, retry=Retry(0)), "..retry.max_attempts", "invalid_retry"),
        ("release", ".", "not_callable"),
        (Compensate(dict), ".", "not_callable"),
    ],
)
def test_an_undo_that_cannot_be_meant_is_refused(undo, path, code):
    """18.2: with its path."""
    assert (path, code) in refused(undo)
    assert len(refused(undo)) == 1


def test_what_cannot_be_undone_has_no_undo():
    """1.22: irreversible excludes compensate; replayable alone is another matter."""
    assert refused(release, irreversible=True) == {(".", "contradictory_recovery")}
    assert inputs(release, replayable=False) == {}
