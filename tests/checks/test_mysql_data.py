"""What stands in a real MariaDB: what is kept for a period, sealed values, hashes, copies, accounts, and rows of tenants."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from upheld import Finding, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes import store_ages
from upheld.probes.base import Session
from upheld.probes.clock import Clock
from upheld.probes.copies import Copies
from upheld.probes.database import Database
from upheld.probes.passwords import Passwords
from upheld.probes.registers import Registers
from upheld.probes.sealed import Sealed
from upheld.probes.shared_roles import SharedRoles
from upheld.probes.stores import Stores

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")
TENANT = "00112233445566778899aabbccddeeff"
ALL = "GRANT ALL ON `{database}`.* TO {account}"


@pytest.fixture
def described(mariadb: Any, session_of: Callable[..., Session]) -> Callable[..., Session]:
    """A session over a database in which the statements ran; the auditor has every right to it, and the application few."""

    def make(*statements: str, system: bool = False, **parts: Any) -> Session:
        name = mariadb.database(*statements)
        everything = [ALL.replace("{database}", name), *(["GRANT SELECT ON mysql.* TO {account}"] if system else [])]
        auditor = mariadb.account(name, *everything)
        application = mariadb.account(name, f"GRANT SELECT ON {name}.* TO {{account}}")
        urls = dict.fromkeys(("url", "planting_url", "dump_url", "sealed_url"), "env:A")
        database = {**urls, "application_url": "env:B", **parts.pop("database", {})}
        return session_of(secret_values={"A": auditor, "B": application}, database=database, **parts)

    return make


def stores(described: Callable[..., Session], kind: str, *rows: str, **table: Any) -> Session:
    store = {"name": "notes", "table": "notes", "timestamp": "at", "tenant_column": "tenant", "content": ["body"]}
    store |= {"plant": {"body": "planted {canary}"}} | table
    return described(
        "CREATE TABLE tenants (id binary(16) PRIMARY KEY, keep_days int DEFAULT 90)",
        f"INSERT INTO tenants VALUES (x'{TENANT}', NULL)",
        f"CREATE TABLE notes (id int AUTO_INCREMENT PRIMARY KEY, tenant binary(16), at datetime(6), body {kind})",
        *rows,
        retention={"tables": [store], "period_table": "tenants", "period_column": "keep_days"},
        tenants=[{"name": "one", "id": TENANT}],
    )


def aged(days: int, body: str) -> str:
    return f"INSERT INTO notes (tenant, at, body) VALUES (x'{TENANT}', UTC_TIMESTAMP() - INTERVAL {days} DAY, {body})"


def test_ages_are_told_by_tenant_whatever_the_columns_are(
    described: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_ages, "SPREAD_SECONDS", 3600.0)
    session = stores(
        described, "blob", aged(3, "'a'"), aged(100, "x'ff00fe'"), aged(200, "''"), aged(300, "NULL"), tombstones=True
    )
    probe = session.probe(Stores)
    (age,) = probe.ages("notes")
    # Bytes that are no text are content, and only what is empty is a tombstone.
    assert (age.tenant, age.records, age.undated) == (TENANT, 2, 0)
    assert age.spread is not None
    assert (age.spread.step_days, age.spread.counts) == (5, (1, *[0] * 19, 1))
    assert age.oldest is not None
    assert timedelta(days=99) < datetime.now(UTC) - age.oldest < timedelta(days=101)
    assert probe.older_than("notes", TENANT, datetime.now(UTC) - timedelta(days=90)) == 1
    assert probe.periods().default_days == 90
    found = list(CHECKS["retention.nothing_is_older_than_its_period"].function(probe, session.probe(Clock)))
    assert [one.subject for one in found if isinstance(one, Finding) and not one.passed] == ["notes of one"]


@pytest.mark.parametrize("kind", ["blob", "varchar(200) CHARACTER SET utf16", "text"])
def test_what_was_planted_is_found_and_removed(described: Callable[..., Session], kind: str) -> None:
    session = stores(described, kind, aged(1, "x'ff00fe'" if kind == "blob" else "'x'"))
    probe = session.probe(Stores)
    canary = session.redactor.add("canary-of-a-test-7", "canary")
    record = probe.plant("notes", TENANT, datetime.now(UTC) - timedelta(days=400), canary)
    seen = probe.presence(record)
    assert (seen.record, seen.content) == (True, True)
    assert probe.remove_planted() == 1
    (age,) = probe.ages("notes")
    assert age.records == 1


def test_tables_that_keep_their_former_rows_show_nothing(described: Callable[..., Session]) -> None:
    session = stores(described, "text", aged(1, "'x'"), "ALTER TABLE notes ADD SYSTEM VERSIONING", "DELETE FROM notes")
    with pytest.raises(Unobservable, match="system-versioned"):
        session.probe(Stores).ages("notes")


def test_dates_of_zeroes_are_no_times(described: Callable[..., Session]) -> None:
    session = stores(described, "text", aged(1, "'x'"))
    with session.probe(Database).writing() as connection:
        connection.exec_driver_sql("SET SESSION sql_mode = ''")
        connection.exec_driver_sql("UPDATE notes SET at = '0000-00-00 00:00:00'")
    with pytest.raises(Unobservable, match="holds no timestamps"):
        session.probe(Stores).ages("notes")


def test_sealed_values_open_and_plain_ones_are_read(described: Callable[..., Session]) -> None:
    key = os.urandom(32)
    nonce = os.urandom(12)
    sealed = (nonce + AESGCM(key).encrypt(nonce, b"a token of somebody", b"1")).hex()
    session = described(
        "CREATE TABLE tokens (id int PRIMARY KEY, sealed varbinary(200))",
        f"INSERT INTO tokens VALUES (1, x'{sealed}'), (2, 'a token as it is'), (3, ''), (4, NULL)",
        encryption={
            "columns": [{"table": "tokens", "column": "sealed", "what": "tokens", "associated_data": "{id}"}],
            "keys": {"one": "file:key"},
        },
    )
    (session.target_folder / "key").write_bytes(key)
    probe = session.probe(Sealed)
    found = {one.row: one for one in probe.values(probe.columns()[0])}
    assert (found["1"].authenticates, found["1"].key_bits) == (True, 256)
    assert (found["2"].authenticates, found["2"].readable_as) == (False, "plain text")
    assert set(found) == {"1", "2"}


def test_hashes_are_recognised_in_text_and_in_bytes(described: Callable[..., Session]) -> None:
    bcrypt = "$2b$12$" + "a" * 53
    session = described(
        "CREATE TABLE users (id int PRIMARY KEY, hashed varbinary(100), shown varchar(100), token binary(32))",
        f"INSERT INTO users VALUES (1, '{bcrypt}', '{bcrypt}', x'{hashlib.sha256(b'x').hexdigest()}'), (2, '', 'hunter2', NULL)",
        stored_passwords={
            "columns": [{"table": "users", "column": one, "what": one} for one in ("hashed", "shown")],
            "digests": [{"table": "users", "column": "token", "what": "tokens"}],
        },
    )
    probe = session.probe(Passwords)
    assert [[one.scheme for one in probe.values(place)] for place in probe.columns()] == [
        ["bcrypt"],
        ["bcrypt", "plain text"],
    ]
    (digests,) = [probe.digests(place) for place in probe.digest_columns()]
    assert (digests.total, digests.odd) == (1, 0)


def test_copies_are_found_in_every_table(described: Callable[..., Session]) -> None:
    session = described(
        "CREATE TABLE a (id int, body varchar(90) CHARACTER SET latin1, hidden varchar(90) INVISIBLE DEFAULT 'none')",
        "INSERT INTO a (id, body, hidden) VALUES (1, 'the control word', 'secret-of-a-test-1')",
        "CREATE TABLE b (id int, body longblob)",
        "INSERT INTO b VALUES (1, CONCAT(REPEAT('x', 2000000), 'secret-of-a-test-2'))",
        "CREATE TABLE c (id int, body text) WITH SYSTEM VERSIONING",
        "INSERT INTO c VALUES (1, 'secret-of-a-test-3')",
        "DELETE FROM c",
        "CREATE PROCEDURE p() SELECT 'secret-of-a-test-4'",
        system=True,
        stores_searched={},
    )
    secrets = tuple(session.redactor.add(f"secret-of-a-test-{n}", f"secret {n}") for n in range(1, 6))
    found = session.probe(Copies).tables(secrets, ("the control word",))
    where = {(one.secret, one.place.rpartition(".")[2]) for one in found.copies}
    assert where >= {(secrets[0], "a"), (secrets[1], "b"), (secrets[2], "c"), (secrets[3], "proc")}
    assert not any(secret == secrets[4] for secret, _ in where)
    assert (found.controls, found.unread) == (("the control word",), ())
    with pytest.raises(Unobservable, match="logs are not known"):
        session.probe(Copies).mark_wal()


def test_copies_in_tables_of_the_server_that_may_not_be_read_are_told(described: Callable[..., Session]) -> None:
    session = described("CREATE TABLE a (id int, body text)", "INSERT INTO a VALUES (1, 'x')", stores_searched={})
    found = session.probe(Copies).tables((session.redactor.add("secret-of-a-test", "secret"),))
    assert "table mysql.general_log" in {one.place for one in found.unread}


def test_accounts_that_are_off_are_told_by_flags_and_dates(described: Callable[..., Session]) -> None:
    session = described(
        "CREATE TABLE users (name varchar(20), is_off bit(1), off_at varchar(30), gone tinyint(1))",
        "INSERT INTO users VALUES ('Ada', 0, '0000-00-00 00:00:00', 0), ('bob', 1, '2026-01-01 00:00:00', 1)",
        registers={
            "folder": ".",
            "accounts": [
                {"system": off, "table": "users", "account": "name", "off": off} for off in ("is_off", "off_at", "gone")
            ],
        },
    )
    for system in ("is_off", "off_at", "gone"):
        accounts = session.probe(Registers).accounts(system)
        assert [(one.account, one.off) for one in accounts] == [("Ada", False), ("bob", True)]


def test_rows_of_tenants_have_no_row_security(described: Callable[..., Session]) -> None:
    session = described(
        "CREATE TABLE notes (id int, tenant varchar(20))",
        "INSERT INTO notes VALUES (1, 'one'), (2, 'One'), (3, 'one ')",
        "CREATE SQL SECURITY DEFINER VIEW mine AS SELECT * FROM notes WHERE tenant = 'two'",
        database={"tenant_column": "tenant"},
        shared_roles={"setting": "app.tenant", "roles": {"app": "env:B"}, "tables": ["notes"]},
    )
    probe = session.probe(Database)
    for name in ("row_security_is_forced", "nothing_is_readable_without_a_tenant"):
        (found,) = CHECKS[f"tenancy.{name}"].function(probe)
        assert isinstance(found, Finding)
        assert not found.passed
    shared = session.probe(SharedRoles)
    # Neither capitals nor spaces at the end make one tenant of two.
    assert set(shared.tenants_in("notes")) == {"one", "One", "one "}
    assert [(one.own, one.foreign) for one in shared.rows("app", "notes", ("one",))] == [(0, 3), (1, 2)]
