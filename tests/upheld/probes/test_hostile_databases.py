"""A database with millions of rows and a value of 200 MB (a plain run takes fewer and less): what is read is true or inconclusive, in bounded memory."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hostile_servers import HANDSHAKES, MYSQL, POSTGRESQL, of_mysql, of_postgresql, with_handshake
from loopback import Pki, raw
from processes import peak_bytes, said
from tls_floods import FLOODS, KEYS_AND_READING
from tls_floods import of_postgresql as of_postgresql_tls

Behave = Callable[[socket.socket, threading.Event], None]
MEMORY = 1 << 30
"""Bytes that the process which reads may have in memory at its peak."""
WORD = "upheld-canary-in-a-huge-value"
SCHEMA = """
CREATE SCHEMA app;
CREATE TABLE app.huge (id int, tenant_id text, sealed bytea, word text, at timestamptz DEFAULT now());
INSERT INTO app.huge SELECT n, 't', '\\x00'::bytea, '$2b$12$' || repeat('a', 53) FROM generate_series(1, 3) n;
INSERT INTO app.huge SELECT 4, 't', convert_to(repeat('x', {huge} / 2), 'UTF8'), 'w';
INSERT INTO app.huge SELECT 5, 't', NULL, repeat('x', {huge}) || '{word}';
"""
MANY = "CREATE TABLE app.many AS SELECT n AS id, (n % 3)::text AS tenant_id, now() AS at, 'x' AS word FROM generate_series(1, {rows}) n"


def read_all(folder: str) -> None:
    """Look at the database that the environment names by every probe that reads rows, and print what came of it."""

    from upheld.errors import Unobservable
    from upheld.probes.base import Session
    from upheld.probes.copies import Copies
    from upheld.probes.database import Database
    from upheld.probes.passwords import Passwords
    from upheld.probes.scope import Scope
    from upheld.probes.sealed import Sealed
    from upheld.probes.stores import Stores
    from upheld.redaction import Redactor
    from upheld.target.model import Target

    roles = dict.fromkeys(("url", "application_url", "dump_url"), "env:URL")
    stores = [
        {"name": name, "table": f"app.{name}", "timestamp": "at", "tenant_column": "tenant_id"}
        for name in ("huge", "many")
    ]
    target = Target.model_validate(
        {
            "name": "hostile",
            "environment": "reference",
            "timeout_seconds": 60,
            "database": {**roles, "tenant_column": "tenant_id"},
            "encryption": {
                "columns": [{"table": "app.huge", "column": "sealed", "what": "tokens"}],
                "keys": {"k": "env:KEY"},
            },
            "stored_passwords": {
                "columns": [{"table": f"app.{one}", "column": "word", "what": "p"} for one in ("huge", "many")]
            },
            "retention": {"tables": stores},
            "stores_searched": {},
        }
    )
    session = Session(target, Redactor(), Scope(target), Path(folder), target_folder=Path(folder))
    word = session.redactor.add(WORD, "word")

    def tried(look: Any) -> Any:
        try:
            return look()
        except Unobservable as unobservable:
            return f"unobservable: {unobservable.reason}"

    sealed, passwords, database, copies, kept = (
        session.probe(kind) for kind in (Sealed, Passwords, Database, Copies, Stores)
    )
    assert isinstance(sealed, Sealed)
    assert isinstance(passwords, Passwords)
    assert isinstance(database, Database)
    assert isinstance(copies, Copies)
    assert isinstance(kept, Stores)
    huge, many = passwords.columns()
    found = {
        "copies": tried(lambda: [one.place for one in copies.tables((word,)).copies]),
        "sealed": tried(lambda: len(sealed.values(sealed.columns()[0]))),
        "passwords": tried(lambda: len(passwords.values(huge))),
        "many passwords": tried(lambda: len(passwords.values(many))),
        "rows": tried(lambda: database.rows_without_tenant("app.many").rows),
        "ages": tried(lambda: sum(one.records for one in kept.ages("many"))),
        "peak": peak_bytes(),
    }
    session.close()
    print(json.dumps(found))


@pytest.mark.parametrize(
    ("rows", "huge"), [(200_001, 20_000_000), pytest.param(10_000_000, 200_000_000, marks=pytest.mark.exhaustive)]
)
def test_many_rows_and_huge_values_are_read_in_bounded_memory(
    rows: int, huge: int, postgres: Any, tmp_path: Path
) -> None:
    url = postgres.database(SCHEMA.format(huge=huge, word=WORD), MANY.format(rows=rows))
    script = f"from tests.upheld.probes.test_hostile_databases import read_all; read_all({str(tmp_path)!r})"
    printed = said(script, environ={"URL": url, "KEY": "00" * 32})
    found = json.loads(printed)
    peak = found.pop("peak")
    assert f"a row holds {huge + 3:,} bytes" in found.pop("sealed")
    assert "app.huge" not in found["passwords"]
    assert f"a row holds {huge + len(WORD) + 1:,} bytes" in found.pop("passwords")
    assert "holds more than 200000 values" in found.pop("many passwords")
    assert found == {"rows": 1_000, "ages": rows, "copies": ["table app.huge"]}
    assert peak < MEMORY
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and path.stat().st_size > 1_000_000] == []


def meet(folder: str, servers: Mapping[str, tuple[str, Behave]]) -> None:
    """Read from the database that each of these servers pretends to be, and print what came of it.

    :param servers: by name, the URL with a place for the port, and what is done with each connection.
    """
    from upheld.errors import Unobservable
    from upheld.probes.base import Session
    from upheld.probes.database import Database
    from upheld.probes.scope import Scope
    from upheld.redaction import Redactor
    from upheld.target.model import Target

    found: dict[str, str] = {}
    for name, (url, behave) in servers.items():
        with raw(behave) as port:
            (Path(folder) / "url").write_text(url.format(port=port))
            description = {"name": "hostile", "environment": "reference", "database": {"url": "file:url"}}
            target = Target.model_validate({**description, "timeout_seconds": 1})
            session = Session(target, Redactor(), Scope(target), Path(folder), target_folder=Path(folder))
            probe = session.probe(Database)
            assert isinstance(probe, Database)
            try:
                found[name] = str(probe.login_roles())
            except Unobservable as unobservable:
                found[name] = f"unobservable: {unobservable.reason}"
            session.close()
    print(json.dumps({"found": found, "peak": peak_bytes()}))


def meet_all(folder: str) -> None:
    """Every database that keeps to the protocol up to the login only."""
    servers = {
        **{f"postgresql, {name}": of_postgresql(says) for name, says in POSTGRESQL.items()},
        **{f"mysql, {name}": of_mysql(says) for name, says in MYSQL.items()},
        **{f"mysql, {name} at once": of_mysql(says, at_once=True) for name, says in MYSQL.items()},
    }
    meet(
        folder,
        {name: (name.partition(",")[0] + "://u:p@127.0.0.1:{port}/d", behave) for name, behave in servers.items()},
    )


def meet_tls(folder: str, *left_out: str) -> None:
    """PostgreSQL servers that speak TLS, or should."""
    certificate = Pki(Path(folder)).issue("db.example")
    servers = {f"handshake, {name}": with_handshake(says) for name, says in HANDSHAKES.items()}
    for name, says in {**FLOODS, READ: KEYS_AND_READING}.items():
        servers[f"login, {name}"] = of_postgresql_tls(certificate, says, logged_in=False)
        servers[f"statement, {name}"] = of_postgresql_tls(certificate, says, logged_in=True)
    url = "postgresql://u:p@127.0.0.1:{port}/d?sslmode=require"
    meet(folder, {name: (url, behave) for name, behave in servers.items() if name not in left_out})


def test_a_server_whose_answers_do_not_end_is_cut_off(tmp_path: Path) -> None:
    """No such server would ever let go of a driver: it waits without a limit of its own, and takes an answer whole."""
    script = f"from tests.upheld.probes.test_hostile_databases import meet_all; meet_all({str(tmp_path)!r})"
    printed = json.loads(said(script, seconds=200))
    found = printed["found"]
    assert len(found) == len(POSTGRESQL) + 2 * len(MYSQL)
    assert all(came.startswith("unobservable: ") for came in found.values()), found
    for name in (
        "postgresql, silence",
        "postgresql, a drip",
        "mysql, silence",
        "mysql, a drip",
        "mysql, rows that drip",
    ):
        assert "time limit" in found[name] or "timed out" in found[name], found[name]
    for name in ("postgresql, rows without end", "postgresql, a value of a gigabyte", "mysql, rows without end"):
        assert "is larger than" in found[name] or "time limit" in found[name], found[name]
    assert printed["peak"] < MEMORY


READ = "new keys asked for, with answers that are read"
LONG = ("tickets", "new keys", "new keys asked for", "silence", READ)
SAME = {f"{when}, {one}" for when in ("login", "statement") for one in LONG} - {"login, tickets", f"statement, {READ}"}
"""What takes its time, and shows what others show too."""


@pytest.mark.parametrize("left_out", [sorted(SAME), pytest.param([], marks=pytest.mark.exhaustive)])
def test_tls_that_floods_or_drips_is_cut_off(left_out: list[str], tmp_path: Path) -> None:
    """libpq's own time limit does not end a flood that OpenSSL passes over without coming back, before the login as after it."""
    given = ", ".join(map(repr, (str(tmp_path), *left_out)))
    script = f"from tests.upheld.probes.test_hostile_databases import meet_tls; meet_tls({given})"
    printed = json.loads(said(script, seconds=300))
    found = printed["found"]
    assert len(found) == len(HANDSHAKES) + 2 * (len(FLOODS) + 1) - len(left_out)
    assert all(came.startswith("unobservable: ") and len(came) < 600 for came in found.values()), found
    for name, came in found.items():
        if name.partition(", ")[2] in LONG:
            assert "time limit" in came, (name, came)
    assert printed["peak"] < MEMORY
