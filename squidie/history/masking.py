"""What stands for a secret: under its usual names, at places the host has named, and wherever a known one is.

Names are compared in all their forms: `access_token`, `accessToken`, `X-Access-Token`. A word of at most four letters
counts only as a word of its own, so that `card` is found in `card_number` and not in `discard`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK = "***"
ANY = "*"
_SHORT = 4

_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^@\s/]+@")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[\W_]+")

Paths = tuple[tuple[str, ...], ...]


def _masked(pair: re.Match[str]) -> str:
    """Within its quotes, so that JSON stays JSON, and what is masked already stays as it is."""
    quote = pair[2][0] if pair[2][0] in "\"'" else ""
    return f"{pair[1]}{quote}{MASK}{quote}"


class Masking:
    """Replaces what is secret, in text and in JSON.

    `words` name secrets, `values` are some, `paths` say where others stand (`customer.email`, `items.*.note`).
    """

    def __init__(self, words: Iterable[str], *, values: Iterable[str] = (), paths: Iterable[str] = ()) -> None:
        parts = [[part for part in _BETWEEN.split(word.lower()) if part] for word in words]
        whole = {"".join(each) for each in parts}
        self._long = tuple(word for word in whole if len(word) > _SHORT)
        self._short = frozenset(form for word in whole - set(self._long) for form in (word, f"{word}s"))
        names = "|".join(map(_pattern, parts)) or "(?!)"
        self._pairs = re.compile(
            rf"""((?:{names})[\w-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|(?:Bearer\s+)?[^\s,;&)}}\]]+)""",
            re.IGNORECASE,
        )
        longest = sorted(values, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest)) or "(?!)")
        self._paths: Paths = tuple(tuple(path.split(".")) for path in paths)

    def names_secret(self, key: str) -> bool:
        """Whether what stands under this key is secret."""
        compact = _BETWEEN.sub("", key).lower()
        if any(word in compact for word in self._long):
            return True
        return any(each.lower().rstrip("0123456789") in self._short for each in _BETWEEN.split(_HUMPS.sub(" ", key)))

    def known(self, said: str) -> str:
        """The text without the secrets that are known."""
        return self._values.sub(MASK, said)

    def text(self, said: str) -> str:
        """The same, and with `password=…` and the like masked."""
        return _URL_PASSWORD.sub(rf"\1{MASK}@", self._pairs.sub(_masked, self.known(said)))

    def value(self, given: Any) -> Any:
        """The value with everything masked that is secret, at any depth."""
        return self._within(given, self._paths)

    def _within(self, given: Any, paths: Paths) -> Any:
        if isinstance(given, dict):
            return {self.known(str(key)): self._item(str(key), item, paths) for key, item in given.items()}
        if isinstance(given, list | tuple):
            return [self._item(ANY, item, paths) for item in given]
        if isinstance(given, str):
            return self.text(given)
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        return MASK if is_number and self._values.search(str(given)) else given

    def _item(self, key: str, item: Any, paths: Paths) -> Any:
        """What stands under a key of an object; every item of a list stands under `*`."""
        below = tuple(path[1:] for path in paths if path[0] in (key, ANY))
        if () in below or (key != ANY and self.names_secret(key)):
            return MASK
        return self._within(item, below)


def _pattern(parts: list[str]) -> str:
    """A name as text may have it; a short one begins a word."""
    found = "[ _-]?".join(map(re.escape, parts))
    return found if sum(map(len, parts)) > _SHORT else f"(?<![^\\W_]){found}"
