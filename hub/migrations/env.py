"""Alembic's way in: `hub.migrating` hands over its connection, inside its own transaction."""

from alembic import context

from hub.migrating import described

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=described(connection.dialect.name))
with context.begin_transaction():
    context.run_migrations()
