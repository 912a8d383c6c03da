"""The journal: runs, facts, attempts, definitions, and the quiet tables around them.

The SQL stands as text in `migrations/sql`, and is given by `UP` and `DOWN`, so that a host can run it from an Alembic
history of its own. It names no schema: whoever runs it sets `search_path`.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"
UP = "\n".join((SQL / f"0001_{part}.sql").read_text("utf-8") for part in ("runs", "work", "beside"))
DOWN = (SQL / "0001_down.sql").read_text("utf-8")


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
