"""Existing Celery tasks as steps, unchanged: their own name, their own code (1.23, 1.25)."""

from celery import Celery, Task, shared_task

from squidie import Squidie, Workflow, manual, step

app = Celery("shop", broker="redis://127.0.0.1:1/0", set_as_current=False)


class InContext(Task):
    """As Flask's pattern has it: something around every call."""

    def __call__(self, *args, **kwargs):
        return {"inside": super().__call__(*args, **kwargs)}


@app.task(name="shop.double")
def double(number: int) -> int:
    return 2 * number


@app.task(bind=True, base=InContext, name="shop.add")
def add(self, number: int, double: int) -> int:
    assert self.name == "shop.add"
    return number + double


@shared_task(name="shop.show")
def show(add: dict) -> str:
    return f"it is {add['inside']}"


class Sums(Workflow):
    triggers = (manual("go"),)
    double = step(double)
    add = step(add)
    show = step(show)
    flow = double >> add >> show


def test_tasks_run_as_steps_under_their_own_names(database_url):
    squidie = Squidie(database_url, workflows=[Sums])
    run = squidie.start(Sums, {"number": 7})

    while squidie.execute_next():
        pass

    assert run.result(1) == "it is 21"
    assert [node.action for node in Sums.spec.nodes] == ["shop.double", "shop.add", "shop.show"]
    squidie.close()
