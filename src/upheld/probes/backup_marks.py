"""Rows with made-up words, written so that a restored backup can be asked for them."""

from __future__ import annotations

import json
import secrets
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from upheld.errors import Unobservable
from upheld.probes import database_place
from upheld.probes.backup_answers import Mark
from upheld.probes.backup_restore import on_this_machine
from upheld.probes.database import Database, table_of
from upheld.probes.planted import Note, Planted
from upheld.probes.store_rows import fill_in, insert_row, utc

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.backups import Marker


def on_postgresql(connection: sa.Connection) -> None:
    """Raise Unobservable for a database of another kind."""
    if connection.dialect.name != "postgresql":
        raise Unobservable(
            f"a {connection.dialect.name} database has no write-ahead log in segments, and how its archive is kept whole"
            " is not known to upheld"
        )


def write_mark(session: Session, database: Database, marker: Marker, notes: list[Note]) -> Mark:
    """Write a row with a made-up word, and say when it was there; how it is undone is added to the `notes`."""
    value = secrets.token_hex(16)
    word = session.redactor.add(value, f"marker {secrets.token_hex(2)}")
    fills = {"canary": value, "uuid": str(uuid.uuid4()), "now": datetime.now(UTC)}
    values = {name: fill_in(given, fills) for name, given in marker.values.items()}
    values.setdefault(marker.column, value)
    if value not in json.dumps(values, default=str):
        raise Unobservable("backups.marker has no place for the made-up word ({canary})")
    with database.writing() as connection:
        on_postgresql(connection)
        row = insert_row(connection, table_of(marker.table, *values), values, marker.id)
        # Before the commit: a crash in between leaves a journal without a row, never a row without a journal.
        title = f"a row of {marker.table} ({marker.id} {row})"
        planted = Planted("row", title, table=marker.table, id_column=marker.id, id=row, role="planter")
        notes.append(session.journal.about(planted))
    with database.reading() as connection:
        statement = "SELECT clock_timestamp(), pg_walfile_name(pg_current_wal_insert_lsn())"
        at, segment = connection.execute(sa.text(statement)).one()
    return Mark(word, cast("datetime", utc(at)), str(segment))


def present(url: str, table: str, column: str, values: list[str]) -> tuple[bool, ...]:
    """For each value whether the table of the restored database has it."""
    found = table_of(table, column)
    there, arguments = database_place.pinned(make_url(url).set(drivername="postgresql+psycopg"), on_this_machine)
    engine = sa.create_engine(
        there,
        poolclass=NullPool,
        connect_args={"connect_timeout": 10, **arguments},
        hide_parameters=True,
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = 30000")
            # The table must have rows, or else nothing shows that it is the right one.
            counted = sa.select(sa.func.count()).select_from(found)
            if not connection.execute(counted).scalar_one():
                raise Unobservable(f"{table} of the restored database is empty")
            text = sa.cast(found.c[column], sa.Text)
            return tuple(
                bool(connection.execute(counted.where(text.contains(value, autoescape=True))).scalar_one())
                for value in values
            )
    except SQLAlchemyError as error:
        original = getattr(error, "orig", None) or error
        said = str(original).splitlines() or [type(original).__name__]
        raise Unobservable(f"the restored database cannot be asked: {said[0]}") from None
    finally:
        engine.dispose()
