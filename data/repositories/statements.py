"""Statements that Postgres and SQLite write alike and SQLAlchemy has no common word for."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Select, literal_column
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from data.tables import Base

VALUES_AT_ONCE = 400
"""SQLite takes so many values in one statement, whatever its version."""

Value = TypeVar("Value")


def insert_once(session: Session, table: type[Base], values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key is there, also when two try at the same time.

    Returns:
        Whether the row is new.
    """
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table.__table__).values(**values).on_conflict_do_nothing()  # type: ignore[arg-type]
    # Counting rows is no help: drivers say -1 here.
    return session.execute(statement.returning(literal_column("1"))).first() is not None


def insert_from(session: Session, table: type[Base], columns: Sequence[str], found: Select[Any]) -> None:
    """Insert the rows that a query finds, except those whose key is there, also when two try at the same time."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table.__table__).from_select(list(columns), found)  # type: ignore[arg-type]
    session.execute(statement.on_conflict_do_nothing())


def upsert(session: Session, table: type[Base], key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Insert a row, or change the one with the same primary key, also when two try at the same time."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(table.__table__).values(**key, **values)  # type: ignore[arg-type]
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=dict(values)))


def storable(text: str) -> str:
    """Return a text from outside as a database can hold it: no NUL, no half characters of broken file names."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def in_chunks(values: Iterable[Value], size: int = VALUES_AT_ONCE) -> Iterator[list[Value]]:
    """Divide values among statements that can take them."""
    rest = iter(values)
    while chunk := list(islice(rest, size)):
        yield chunk
