"""How Alembic runs our migrations: always on the connection, and inside the transaction, that ``migrate`` opened."""

from alembic import context

from data.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by making a new one
    transactional_ddl=True,
)
context.run_migrations()
