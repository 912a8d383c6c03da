"""Every SQL statement of the journal as it is sent, in `snapshots/`: a change shows as a difference.

SQUIDIE_SNAPSHOTS=write rewrites them.
"""

from __future__ import annotations

import os
import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from squidie import journal
from squidie.journal.tables import metadata

SNAPSHOTS = Path(__file__).parent / "snapshots"
UNQUALIFIED = re.compile(rf"\b(?:from|join|into|update) (?:{'|'.join(metadata.tables)})\b")
VERBS = ("select", "with", "insert", "update", "delete", "lock")


def statements(module):
    """The module's statements by name, in the order in which they stand there."""
    found = vars(import_module(f"squidie.journal.{module}"))
    texts = {name: value for name, value in found.items() if name.isupper() and isinstance(value, str)}
    return {name: value for name, value in texts.items() if value.lstrip().startswith(VERBS)}


def written(module):
    return "\n".join(f"-- {name}\n{value.strip()};\n" for name, value in statements(module).items())


MODULES = [module.name for module in iter_modules(journal.__path__) if statements(module.name)]


@pytest.mark.parametrize("module", MODULES)
def test_the_statements_of_a_module_are_those_that_were_reviewed(module):
    snapshot = SNAPSHOTS / f"{module}.sql"
    if os.environ.get("SQUIDIE_SNAPSHOTS") == "write":
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(written(module), encoding="utf-8")

    assert snapshot.read_text(encoding="utf-8") == written(module), "SQUIDIE_SNAPSHOTS=write accepts the change"


def test_no_snapshot_is_left_over():
    assert sorted(path.stem for path in SNAPSHOTS.glob("*.sql")) == sorted(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_statements_name_their_schema_and_page_without_offset(module):
    """STYLE 8"""
    for name, value in statements(module).items():
        assert not UNQUALIFIED.search(value), name
        assert " offset " not in value, name
        assert "clock_timestamp" not in value, name
