"""Messages that are lost, doubled and put in another order between who sends them and Redis.

    with FaultProxy.to_redis(url) as proxy:
        proxy.rewrite = Tampering(Random(1))

Senders say LPUSH and are answered with a number. In place of a message that is lost Redis is asked for the length of
its list, which is a number too; others are pushed twice, or wait for the next one and are pushed after it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from random import Random

    from evidence.proxy import Wire

END = b"\r\n"


class Tampering:
    """One for all connections of a wire; `done` counts what became of the messages."""

    def __init__(self, dice: Random) -> None:
        self._dice = dice
        self._rest: WeakKeyDictionary[Wire, bytes] = WeakKeyDictionary()
        self._held: dict[bytes, list[bytes]] = {}
        self.done: Counter[str] = Counter()

    def __call__(self, wire: Wire, data: bytes) -> bytes:
        """Whole commands; what has come of the next one waits for the rest of it."""
        data = self._rest.get(wire, b"") + data
        out = b""
        while (command := parsed(data)) is not None:
            words, length = command
            out += self._said(words, data[:length])
            data = data[length:]
        self._rest[wire] = data
        return out

    def _said(self, words: list[bytes], plain: bytes) -> bytes:
        if words[:1] != [b"LPUSH"] or not words[1:]:
            return plain
        key, messages = words[1], words[2:]
        fate = self._dice.choice(("lost", "lost", "lost", "doubled", "held back", "passed on"))
        self.done[fate] += 1
        if fate == "held back":
            self._held.setdefault(key, []).extend(messages)
        if fate in {"lost", "held back"}:
            return written([b"LLEN", key])
        return written([b"LPUSH", key, *messages * (2 if fate == "doubled" else 1), *self._held.pop(key, [])])


def parsed(data: bytes) -> tuple[list[bytes], int] | None:
    """The first command, and how many bytes it takes; None while it is not whole."""
    head, _, _ = data.partition(END)
    if END not in data:
        return None
    at, words = len(head) + len(END), []
    for _ in range(int(head[1:])):
        end = data.find(END, at)
        if end < 0:
            return None
        start = end + len(END)
        at = start + int(data[at + 1 : end]) + len(END)
        if at > len(data):
            return None
        words.append(data[start : at - len(END)])
    return words, at


def written(words: list[bytes]) -> bytes:
    """A command as Redis reads it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
