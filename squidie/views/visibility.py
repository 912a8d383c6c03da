"""Who sees what of a view: each field is of a kind, and each kind shows itself to each scope in its own way.

| kind | `external` | `operator` | `auditor` |
| --- | --- | --- | --- |
| open: ids, states, times, what is next | yes | yes | yes |
| headline | made anew, of names and states | masked | masked |
| error | its code | code, type, message, origin | all that is stored |
| counted: queues, owners, attempts, claims | whole numbers only | yes | yes |
| evidence | key by key, as its own list says | likewise | likewise |
| inner: actors, comments, attributes | no | masked | masked |
| data: payloads, outputs, metadata | no | names, types and sizes | values, masked |
| body: facts as they are kept | no | names, types and sizes | values, masked at any depth |
| traced: digests of requests | no | no | yes |

What is shown is a plain mapping with the field names of the view's type, ready for JSON and the same after it. A field
that is hidden is absent, and one that is shown keeps the type it has in the view's own JSON, but for data, which may be
anything. So one schema, all of its fields optional, holds for every scope, and nobody takes what is hidden for null.

A field or a type that is not listed in `squidie.views.shown` is hidden. Whatever is malformed is left out: nothing here
raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from squidie.views import outside
from squidie.views.outline import outline
from squidie.views.shown import EVIDENCE, RECEIPT, SHOWN, Kind

if TYPE_CHECKING:
    from squidie.history.masking import Masking

__all__ = ["Kind", "Redacted", "Scope", "redact"]


class Scope(StrEnum):
    """How much somebody sees: from outside, to run things, or to look into them."""

    EXTERNAL = "external"
    OPERATOR = "operator"
    AUDITOR = "auditor"


class Redacted(NamedTuple):
    """What is shown of a view, and the places in it where values of payloads are."""

    shown: dict[str, Any]
    revealed: tuple[str, ...]


class _Place(NamedTuple):
    """Where a value stands: in which view, and by which path from the outermost."""

    view: Any
    path: str


_HIDDEN = object()
"""What a rule answers where there is nothing to show."""
Rule = Callable[["_Redaction", Any, _Place], Any]
_OF_AN_ERROR = ("step", "kind", "code", "type", "message", "origin", "retryable", "attempt")


def redact(view: Any, scope: Scope, masking: Masking) -> Redacted:
    """What this scope sees of a view; nothing of what is no view, or of a shape that is not known."""
    redaction = _Redaction(scope, masking)
    return Redacted(redaction.of(view), tuple(redaction.revealed))


class _Redaction:
    """One view, seen by one scope."""

    def __init__(self, scope: Scope, masking: Masking) -> None:
        self.scope, self.masking = scope, masking
        self.revealed: list[str] = []

    def of(self, view: Any, path: str = "") -> dict[str, Any]:
        """The fields of a view that are listed, in its own order, each as its kind says."""
        kinds = SHOWN.get(type(view), {})
        listed = {name: kinds[name] for name in getattr(view, "__struct_fields__", ()) if name in kinds}
        return self._listed(listed, lambda name: getattr(view, name), _Place(view, path))

    def _listed(self, kinds: Mapping[str, Kind], read: Callable[[str], Any], place: _Place) -> dict[str, Any]:
        """What is there of these names; hidden is what is not, and what goes wrong, whatever goes wrong."""
        shown: dict[str, Any] = {}
        for name, kind in kinds.items():
            try:
                found = _RULES[kind][self.scope](self, read(name), _Place(place.view, f"{place.path}{name}"))
            except Exception:  # noqa: BLE001, S112 - of a shape that nobody has foreseen nothing is shown
                continue
            if found is not _HIDDEN:
                shown[name] = found
        return shown

    # ------------------------------------------------------------------ the ways to show a value
    def whole(self, value: Any, place: _Place) -> Any:
        """The value; views in it by their own lists."""
        if isinstance(value, msgspec.Struct):
            return self.of(value, f"{place.path}.")
        if isinstance(value, tuple | list):
            places = (_Place(place.view, f"{place.path}.{getattr(each, 'name', n)}") for n, each in enumerate(value))
            return [self.whole(each, at) for each, at in zip(value, places, strict=True)]
        if isinstance(value, dict):
            return {self.masking.known(str(name)): self.whole(each, place) for name, each in value.items()}
        plain = msgspec.to_builtins(value)
        return self.masking.known(plain) if isinstance(plain, str) else plain

    def masked(self, value: Any, place: _Place) -> Any:
        """The same, and what is secret in it masked."""
        return self.masking.value(self.whole(value, place))

    def hidden(self, _value: Any, _place: _Place) -> Any:
        """Nothing."""
        return _HIDDEN

    def counted(self, value: Any, _place: _Place) -> Any:
        """Whole numbers, and nothing else."""
        return value if isinstance(value, int) and not isinstance(value, bool) else _HIDDEN

    def reworded(self, _value: Any, place: _Place) -> Any:
        """Other words for it, in which nothing is said that somebody has written."""
        said = outside.words(place.view)
        return _HIDDEN if said is None else self.masking.known(said)

    def code(self, value: Any, _place: _Place) -> Any:
        """Only which error it is."""
        return None if value is None else {"code": self.masking.known(str(value.get("code") or value["kind"]))}

    def reduced(self, value: Any, _place: _Place) -> Any:
        """What somebody needs who has to do something about an error."""
        if value is None:
            return None
        return self.masking.value(msgspec.to_builtins({name: value[name] for name in _OF_AN_ERROR if name in value}))

    def outlined(self, value: Any, _place: _Place) -> Any:
        """Names, types and sizes."""
        return outline(value, self.masking)

    def values(self, value: Any, place: _Place) -> Any:
        """The values, masked; where there are any, that is noted."""
        found = self.masking.value(msgspec.to_builtins(value))
        if found is not None:
            self.revealed.append(place.path)
        return found

    def bodies(self, value: Any, place: _Place) -> Any:
        """The values of a fact: payloads stand somewhere in it, so what is private in them is looked for everywhere."""
        return self._anywhere(self.values(value, place))

    def _anywhere(self, value: Any) -> Any:
        masked = self.masking.value(value)
        if isinstance(masked, dict):
            return {name: self._anywhere(each) for name, each in masked.items()}
        return [self._anywhere(each) for each in masked] if isinstance(masked, list) else masked

    def evidence(self, value: Any, place: _Place) -> Any:
        """Each key by the kind that it is listed with."""
        return self._listed(EVIDENCE, value.__getitem__, _Place(place.view, f"{place.path}."))

    def receipt(self, value: Any, place: _Place) -> Any:
        """A receipt that is kept as data, field by field."""
        found = _Place(place.view, f"{place.path}.")
        return None if value is None else self._listed(RECEIPT, value.__getitem__, found)


def _by_scope(external: Rule, operator: Rule, auditor: Rule) -> Mapping[Scope, Rule]:
    return dict(zip(Scope, (external, operator, auditor), strict=True))


_RULES: Mapping[Kind, Mapping[Scope, Rule]] = {
    Kind.OPEN: _by_scope(_Redaction.whole, _Redaction.whole, _Redaction.whole),
    Kind.HEADLINE: _by_scope(_Redaction.reworded, _Redaction.masked, _Redaction.masked),
    Kind.ERROR: _by_scope(_Redaction.code, _Redaction.reduced, _Redaction.masked),
    Kind.COUNTED: _by_scope(_Redaction.counted, _Redaction.masked, _Redaction.masked),
    Kind.EVIDENCE: _by_scope(_Redaction.evidence, _Redaction.evidence, _Redaction.evidence),
    Kind.INNER: _by_scope(_Redaction.hidden, _Redaction.masked, _Redaction.masked),
    Kind.RECEIPT: _by_scope(_Redaction.hidden, _Redaction.receipt, _Redaction.receipt),
    Kind.DATA: _by_scope(_Redaction.hidden, _Redaction.outlined, _Redaction.values),
    Kind.BODY: _by_scope(_Redaction.hidden, _Redaction.outlined, _Redaction.bodies),
    Kind.TRACED: _by_scope(_Redaction.hidden, _Redaction.hidden, _Redaction.masked),
}
"""What a kind shows to whom; a test holds the table against both."""
