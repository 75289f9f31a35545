"""Migrations of the catalogue (Alembic). ``python -m data.migrations upgrade`` brings it up to this version."""
