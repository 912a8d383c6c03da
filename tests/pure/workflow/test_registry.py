"""What a process was given to run (1.4 and 1.25)."""

import pytest

from squidie.errors import InvalidArgument, InvalidConfig, WorkflowNotFound
from squidie.workflow import Workflow, approval, log, manual, step
from squidie.workflow.registry import Registry
from squidie.workflow.spec import LOG_ACTION


def load(order_id: int): ...
def pack(load): ...
def old(): ...


class Parcel(Workflow):
    triggers = manual("start")
    load = step(load)
    pack = step(pack, queue="parcels")
    flow = load >> pack


def here(name):
    return f"{__name__}:{name}"


def test_workflows_and_actions_are_found_by_name():
    """1.25: code is looked up in what the process was given."""
    registry = Registry([Parcel])

    assert registry.workflow("Parcel") is Parcel
    assert registry.spec("Parcel") is Parcel.spec
    assert registry.action(here("load")).function is load
    assert registry.action("os:system") is None
    assert registry.served == {here("load"), here("pack"), LOG_ACTION}
    assert registry.queues("default") == {"default", "parcels"}


def test_everybody_can_log_and_nobody_runs_a_person():
    """1.16: a log runs on a worker, other kinds hold none."""

    class Told(Workflow):
        triggers = manual("start")
        ok = approval()
        tell = log("done")
        flow = ok >> tell

    registry = Registry([Told])
    assert registry.served == {LOG_ACTION}
    assert registry.action(LOG_ACTION) is None
    assert registry.queues("default") == {"default"}
    assert Registry().served == {LOG_ACTION}


def test_an_unknown_workflow_is_not_found_and_the_known_ones_are_named():
    with pytest.raises(WorkflowNotFound, match="Parcel"):
        Registry([Parcel]).workflow("Letter")


def test_old_graphs_find_what_was_kept_renamed_or_named():
    """1.25: actions, aliases, keep."""
    registry = Registry(
        [Parcel], keep=[old], aliases={"shop:load": here("load"), "shop:gone": old}, actions={"pay": pack}
    )

    assert registry.action(here("old")).function is old
    assert registry.action("shop:load").function is load
    assert registry.action("shop:gone").function is old
    assert registry.action("pay").function is pack
    assert "shop:load" in registry.served


def test_one_workflow_given_twice_is_one():
    assert list(Registry([Parcel, Parcel]).workflows) == ["Parcel"]


def test_two_workflows_of_one_name_are_refused():
    """1.4: two workflows with one name are `InvalidConfig`."""

    class Other(Workflow):
        name = "Parcel"
        triggers = manual("start")
        load = step(load)

    with pytest.raises(InvalidConfig, match="two workflows are named Parcel"):
        Registry([Parcel, Other])


@pytest.mark.parametrize(
    "options",
    [
        {"aliases": {"a": "nobody:here"}},
        {"keep": [5]},
        {"actions": {"x": dict}},
        {"actions": {here("load"): pack}},
        {"actions": {LOG_ACTION: pack}},
    ],
)
def test_what_cannot_be_run_is_refused(options):
    with pytest.raises(InvalidConfig):
        Registry([Parcel], **options)


def test_what_is_no_workflow_is_refused():
    with pytest.raises(InvalidArgument):
        Registry([dict])
