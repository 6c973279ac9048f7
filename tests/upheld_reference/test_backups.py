"""Backups restore the database as it was at an instant, and nobody reads them without the key."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from backup_auditing import ARCHIVE_SECONDS, Backups, encryption_violations, pitr_violations
from upheld_reference import deployment as deployments
from upheld_reference.backups import wal
from upheld_reference.backups.base import BackupError, BaseBackup
from upheld_reference.backups.restore import RestoreError, restore
from upheld_reference.backups.store import Store, compressed
from upheld_reference.deployment import Deployment


@pytest.fixture(scope="module")
def backups(deployment: Deployment) -> Backups:
    return Backups(deployment)


def test_the_database_is_restored_as_it_was_at_an_instant(backups: Backups, tmp_path: Path) -> None:
    assert pitr_violations(backups, tmp_path / "scratch") == set()


def test_each_instant_between_writes_can_be_restored(backups: Backups, tmp_path: Path) -> None:
    instants = []
    for number in range(3):
        instants.append(backups.write(f"row {number}"))
        time.sleep(0.005)
    backups.write("row 3")
    assert backups.archived(instants[-1])
    for number, at in enumerate(instants):
        with restore(backups.store.folder, backups.key_file, at, tmp_path / str(number)) as restored:
            with psycopg.connect(restored.url, autocommit=True) as db:
                rows = db.execute(
                    "SELECT content FROM app.message_logs WHERE content LIKE 'row %' ORDER BY 1"
                ).fetchall()
                db.execute("CREATE TABLE public.writable (x int)")  # it was promoted
            home = Path(restored.url.partition("?host=")[2].replace("%2F", "/"))
        assert rows == [(f"row {n}",) for n in range(number + 1)]
        assert not home.exists()


def test_nothing_in_the_store_is_readable_without_the_key(backups: Backups) -> None:
    canary = "canary-of-a-customer-61f0"
    at = backups.write(canary)
    assert backups.archived(at)
    assert encryption_violations(backups, canary) == set()
    [name] = {
        e.name
        for e in backups.entries()
        if e.kind == "wal" and canary.encode() in backups.store.read(e.name, backups.key)
    }
    assert name.startswith("wal/")


def test_the_spool_empties(backups: Backups) -> None:
    at = backups.write("to be archived")
    assert backups.archived(at)
    deadline = time.monotonic() + ARCHIVE_SECONDS
    while list(Path(backups.facts["spool"]).iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(Path(backups.facts["spool"]).iterdir()) == []
    assert (Path(backups.facts["spool"]).stat().st_mode & 0o777) == 0o700


def test_the_role_of_backups_reads_no_row_of_a_tenant(backups: Backups) -> None:
    with psycopg.connect(backups.urls["backup"], autocommit=True) as db:
        query = (
            "SELECT rolreplication, rolsuper, rolbypassrls, rolcreaterole FROM pg_roles WHERE rolname = current_user"
        )
        assert db.execute(query).fetchone() == (True, False, False, False)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("SELECT * FROM app.messages")


def test_a_base_backup_leaves_nothing_plain_while_it_is_taken(backups: Backups, tmp_path: Path) -> None:
    canary = b"acme contact 1"
    store, looks, plain = Store(tmp_path / "store"), [], bytearray()

    def watched(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield piece
            files = [path for path in store.folder.rglob("*") if path.is_file()]
            assert [path.suffix for path in files] == [".partial"]
            looks.append(any(canary in path.read_bytes() or b"PG_VERSION" in path.read_bytes() for path in files))

    def kept(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            plain.extend(piece)
            yield piece

    backup = BaseBackup(backups.urls["backup"])
    sealed = backups.key.seal("base/x", compressed(kept(backup.stream())))
    store.put("base/x", watched(sealed))
    assert canary in plain
    assert b"PG_VERSION" in plain
    assert len(looks) > 10
    assert not any(looks)
    assert backup.span is not None
    assert canary not in store.path("base/x").read_bytes()


def test_a_base_backup_that_fails_leaves_no_object(backups: Backups, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(BackupError, match="pg_basebackup ended with 1"):
        store.put("base/x", backups.key.seal("base/x", BaseBackup(backups.urls["auditor"]).stream()))
    assert store.names() == set()
    assert list((tmp_path / "store" / "base").iterdir()) == []


def test_an_instant_before_any_backup_is_refused(backups: Backups, tmp_path: Path) -> None:
    with pytest.raises(RestoreError, match="no base backup was finished by"):
        restore(backups.store.folder, backups.key_file, datetime.now(UTC) - timedelta(days=30), tmp_path / "scratch")


def test_an_instant_that_was_never_reached_is_refused(backups: Backups, tmp_path: Path) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(RestoreError, match="recovery ended before configured recovery target was reached"):
        restore(backups.store.folder, backups.key_file, ahead, tmp_path / "scratch")


def test_the_command_restores_until_a_signal(backups: Backups) -> None:
    at = backups.write("for the command")
    backups.write("after the command's instant")
    assert backups.archived(at)
    command = [sys.executable, "-m", "upheld_reference", "restore", "--store", str(backups.store.folder)]
    command += ["--key", str(backups.key_file), "--at", at.isoformat()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = dict(process.stdout.readline().strip().split(None, 1) for _ in range(2) if process.poll() is None)
        lines = [shown["base"].removeprefix("backup").strip(), shown["database"]]
        with psycopg.connect(lines[1]) as db:
            query = "SELECT content FROM app.message_logs WHERE content LIKE '%the command%'"
            assert db.execute(query).fetchall() == [("for the command",)]
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    assert lines[0].startswith("base/")
    command[-1] = "yesterday"
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "'yesterday' is no instant in RFC 3339" in refused.stderr


def test_an_object_that_was_altered_is_not_restored_from(backups: Backups, tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(backups.store.folder, copy)
    at = backups.write("anything")
    newest = max((e for e in backups.entries() if e.kind == "base"), key=lambda entry: entry.finished)
    path = copy / newest.name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(RestoreError, match=r"does not authenticate"):
        restore(copy, backups.key_file, at, tmp_path / "scratch")


_OFTEN = """
import functools, sys
from upheld_reference import server
from upheld_reference.settings import Settings
server.Settings = functools.partial(Settings, backup_interval_hours=2 / 3600, backup_poll_seconds=0.2)
sys.exit(server.main(["--folder", sys.argv[1]]))
"""
"""A deployment for which two seconds are a day."""


@pytest.mark.slow
def test_the_next_backup_is_taken_when_it_is_due_and_restores(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="rivet-"))
    command = [sys.executable, "-c", _OFTEN, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        backups = Backups(Deployment(folder, process, json.loads((folder / "deployment.json").read_text())))
        seeded = [entry for entry in backups.entries() if entry.origin == "seed"]
        assert eventually(lambda: sum(e.kind == "base" for e in backups.entries()) >= len(seeded) + 3)
        at = backups.write("after the third backup")
        backups.write("later")
        assert backups.archived(at)
        bases = [entry for entry in backups.entries() if entry.kind == "base" and entry.finished <= at]
        with restore(backups.store.folder, backups.key_file, at, tmp_path / "scratch") as restored:
            assert restored.base == bases[-1]
            assert restored.base.origin == "agent"
            with psycopg.connect(restored.url) as db:
                query = "SELECT content FROM app.message_logs WHERE content IN ('after the third backup', 'later')"
                assert db.execute(query).fetchall() == [("after the third backup",)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert len({entry.start_lsn for entry in bases if entry.origin == "agent"}) >= 3
    assert not folder.exists()


@pytest.mark.slow
def test_a_failing_archive_shows_and_loses_nothing() -> None:
    with deployments.start() as running:
        backups = Backups(running)
        spool = Path(backups.facts["spool"])
        away = spool.with_name("elsewhere")
        spool.rename(away)  # as a full disk would, but also for root
        backups.write("while the archive fails")
        with psycopg.connect(backups.urls["superuser"], autocommit=True) as db:
            row = db.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
            assert row is not None
            waiting = str(row[0])
            query = "SELECT failed_count, last_failed_wal FROM pg_stat_archiver"
            assert eventually(lambda: (db.execute(query).fetchone() or (0,))[0] > 0)
            assert (Path(running.facts["postgres"]["data"]) / "pg_wal" / waiting).exists()
            away.rename(spool)
            db.execute("SELECT pg_reload_conf()")
        assert eventually(
            lambda: waiting in {entry.start_segment for entry in backups.entries() if entry.kind == "wal"}, 75
        )
        assert wal.gaps({entry.start_segment for entry in backups.entries() if entry.kind == "wal"}) == []


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("newest_backup_three_days_old", {"a day without a base backup"}),
        ("wal_segment_missing", {"write-ahead log is missing", "not restored"}),
        ("backup_of_zero_bytes", {"a base backup of no sane size", "not restored"}),
        (
            "archive_command_always_succeeds",
            {"write-ahead log is missing", "write-ahead log does not get to the store", "not restored"},
        ),
    ],
)
def test_sabotage_of_recovery(name: str, expected: set[str], tmp_path: Path) -> None:
    with deployments.start([name]) as running:
        backups = Backups(running)
        assert pitr_violations(backups, tmp_path / "scratch") == expected
        assert encryption_violations(backups, "written before") == set()


@pytest.mark.slow
def test_sabotages_of_encryption_leave_recovery_alone(tmp_path: Path) -> None:
    with deployments.start(["backup_plain_gzip", "backup_key_beside_backups", "wal_archived_plain"]) as running:
        backups = Backups(running)
        assert pitr_violations(backups, tmp_path / "scratch") == set()
        key = backups.key_file.name
        [dump] = [backups.store.path(name) for name in backups.store.names() if name.startswith("dump/")]
        with subprocess.Popen(["gzip", "-dc", dump], stdout=subprocess.PIPE) as plain:  # as any stranger would
            assert subprocess.run(["grep", "-q", "note of acme"], stdin=plain.stdout, check=False).returncode == 0
        assert encryption_violations(backups, "written before") == {
            *(f"dump: {what}" for what in ("gzip", "unpacked by gzip", "does not open with the key")),
            *(f"{key}: {what}" for what in ("the key", "does not open with the key")),
            *(
                f"wal: {what}"
                for what in ("WAL of PostgreSQL 18", "the canary", "low entropy", "does not open with the key")
            ),
        }
