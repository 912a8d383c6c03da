"""How Alembic is run on the journal's schema.

It uses the connection that `squidie.migrate` hands over, and a version table of Squidie's own.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

connection = context.config.attributes["connection"]
schema = context.config.attributes["schema"]

connection.execute(text(f'set local search_path to "{schema}"'))
context.configure(
    connection=connection, version_table="schema_version", version_table_schema=schema, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
