"""Where a ledger is: a file of SQLite, or a PostgreSQL database by URL."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from upheld.errors import InputError, Mistake
from upheld.state import named_ledger

_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Place:
    """A ledger's URL, whose password is in no text that is shown; `file` is the one that SQLite keeps it in."""

    url: URL
    file: Path | None

    def __str__(self) -> str:
        return str(self.file) if self.file else self.url.render_as_string(hide_password=True)


def find_place(given: str | None) -> Place | None:
    """The ledger that was named, else the one that UPHELD_LEDGER names, else the user's own; None where that is `none`.

    `env:NAME` and `file:PATH` stand for what is in that variable or file, so that a password need not be on a command line.
    Raises InputError for what names no ledger.
    """
    named = named_ledger(given)
    return None if named is None else place_of(_referred(named))


def place_of(named: str) -> Place:
    """The place of a path or URL; raises InputError for a URL of anything but SQLite or PostgreSQL."""
    if "://" not in named:
        path = Path(named).absolute()
        return Place(URL.create("sqlite+pysqlite", database=str(path)), path)
    expected = "a path, sqlite:///PATH or postgresql://USER@HOST/DATABASE"
    try:
        url = make_url(named)
    except (ArgumentError, ValueError):
        raise InputError([Mistake("--ledger", 0, 0, "is no URL of a database", expected=expected)]) from None
    kind = url.get_backend_name()
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return place_of(url.database)
    if kind in {"postgresql", "postgres"}:
        return Place(url.set(drivername="postgresql+psycopg").update_query_dict(_patient(url)), None)
    raise InputError([Mistake("--ledger", 0, 0, "is no database that can hold a ledger", kind, expected)])


def _patient(url: URL) -> dict[str, str]:
    return {} if "connect_timeout" in url.query else {"connect_timeout": str(_SECONDS)}


def _referred(named: str) -> str:
    kind, _, rest = named.partition(":")
    if kind == "env" and rest:
        found = os.environ.get(rest, "")
    elif kind == "file" and rest:
        try:
            found = Path(rest).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise InputError([Mistake("--ledger", 0, 0, f"{named} cannot be read: {reason}")]) from None
    else:
        return named
    if not found:
        raise InputError([Mistake("--ledger", 0, 0, f"{named} is empty or not set", expected="a path or URL")])
    return found
