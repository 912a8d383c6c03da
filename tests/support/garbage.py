"""What somebody who can write to Redis may put into a queue's list: kinds that end or loop a worker of plain Celery.

Each was sent to a worker of Celery 5.7 with kombu 5.7 and ended it at once, or came back until it was restarted.
"""

from __future__ import annotations

import base64
import json

GOOD_BODY = json.dumps([[], {"v": 1, "queue": "default"}, {"callbacks": None, "errbacks": None, "chain": None}])


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def message(*, headers=(), properties=(), **fields):
    """A bell as kombu writes it, but for what is said; a value of `...` is left out."""
    sound = {"task": "squidie.wake", "id": "forged", "root_id": "forged", "timelimit": [None, None], "expires": None}
    known = {
        "delivery_tag": "tag",
        "body_encoding": "base64",
        "delivery_info": {"exchange": "", "routing_key": "celery"},
    }
    whole = {
        "body": encoded(GOOD_BODY),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": _changed({"lang": "py", "retries": 0, "argsrepr": "()", "kwargsrepr": "{}", **sound}, headers),
        "properties": _changed({"correlation_id": "forged", "reply_to": "", "priority": 0, **known}, properties),
    }
    return json.dumps(_changed(whole, {name.replace("_", "-"): value for name, value in fields.items()}))


def _changed(sound, changes):
    return {name: value for name, value in {**sound, **dict(changes)}.items() if value is not ...}


GARBAGE = {
    "no JSON": "garbage",
    "empty": "",
    "a number": "1",
    "null": "null",
    "a list": "[]",
    "a text": '"x"',
    "no UTF-8": b"\xff\xfe\x00",
    "nested too deep": "[" * 200_000,
    "no properties": json.dumps({"body": "x"}),
    "properties are a list": json.dumps({"body": "x", "properties": []}),
    "no delivery tag": message(properties={"delivery_tag": ...}),
    "delivery tag is an object": message(properties={"delivery_tag": {}}),
    "delivery tag is null": message(properties={"delivery_tag": None}),
    "body is not base64": message(body="!!!"),
    "body is a number": message(body=7),
    "no body": message(body=...),
    "body of another shape": message(body=encoded('{"a": 1}')),
    "body too short": message(body=encoded("[1]")),
    "body whose embed is a number": message(body=encoded("[[], {}, 7]")),
    "an unknown encoding": message(properties={"body_encoding": "rot13"}),
    "no content type": message(content_type=...),
    "content type is a list": message(content_type=[]),
    "content encoding is a number": message(content_encoding=7),
    "headers are a text": json.dumps({**json.loads(message()), "headers": "x"}),
    "task is a list": message(headers={"task": []}),
    "no id": message(headers={"id": ...}),
    "id is an object": message(headers={"id": {}}),
    "expires is an object": message(headers={"expires": {}}),
    "time limit is a number": message(headers={"timelimit": 7}),
    "time limits are texts": message(headers={"timelimit": ["a", "b"]}),
    "three time limits": message(headers={"timelimit": [1, 2, 3]}),
    "stamps are a number": message(headers={"stamped_headers": 7}),
    "a broken date": '{"__type__": "datetime", "__value__": "garbage"}',
    "a broken UUID": '{"__type__": "uuid", "__value__": 7}',
    "an unhashable type": '{"__type__": [], "__value__": "x"}',
    "an old task that is a list": json.dumps({**json.loads(message(body=encoded('{"task": []}'))), "headers": {}}),
}

REFUSED = {
    "a task nobody knows": message(headers={"task": "no.such.task"}),
    "body is no JSON": message(body=encoded("nope")),
    "pickled": message(content_type="application/x-python-serialize"),
    "an unknown content type": message(content_type="x/y"),
    "arguments are numbers": message(body=encoded("[1, 2, {}]")),
    "an unreadable time": message(headers={"expires": "never", "eta": "soon"}),
    "no headers": json.dumps({**json.loads(message()), "headers": None}),
}
"""Messages that Celery refuses by itself and lives on: they are nobody's to put aside."""
