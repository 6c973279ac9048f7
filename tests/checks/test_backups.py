"""The backup checks on real stores: what is sound, what is readable, missing, stale or empty, and restores of every outcome."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import struct
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from upheld import Finding, LeftOut, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes import backup_store
from upheld.probes.base import Session, plain
from upheld_reference import postgres as reference

CHECKS = Catalogue.load(Path(__file__).parents[2] / "checks")
SQL = b"--\n-- PostgreSQL database dump\n--\nCREATE TABLE a (b text);\n" + b"INSERT INTO a VALUES ('word');\n" * 400
KEY = os.urandom(32)
SEGMENT = "0000000100000000000000{:02X}"


def sealed(size: int = 20_000) -> bytes:
    """What ciphertext looks like."""
    return b"\x01key-0001" + os.urandom(size)


def tarred(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("base/1/1259")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def segment_page() -> bytes:
    """The beginning of a segment, as PostgreSQL 18 writes it."""
    return struct.pack("<HHIQIIQII", 0xD118, 2, 1, 1 << 20, 0, 0, 7, 1 << 20, 8192) + os.urandom(8000)


class Stored:
    """A folder of backups with its catalogue, beside a database; all of it sound at first."""

    def __init__(self, session_of: Callable[..., Session], folder: Path, url: str) -> None:
        self.session_of, self.folder, self.url = session_of, folder, url
        self.store = folder / "store"
        self.changes: dict[str, Any] = {}
        self.listed: list[dict[str, Any]] = []
        for day in range(7, -1, -1):
            self.base(day + 0.1)
        for number in range(3, 9):
            self.put(f"wal/{SEGMENT.format(number)}.sealed", sealed())
        (folder / "backup.key").write_bytes(KEY)

    def put(self, name: str, content: bytes, days: float = 0.0) -> Path:
        path = self.store / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (time.time() - days * 86400,) * 2)
        return path

    def base(self, days: float, content: bytes | None = None, **entry: Any) -> str:
        name = f"base/{days:.2f}.sealed"
        content = sealed(200_000) if content is None else content
        self.put(name, content, days)
        finished = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        told = {
            "name": name,
            "kind": "full",
            "finished_at": finished,
            "bytes": len(content),
            "start": SEGMENT.format(3),
        }
        self.listed.append({**told, **entry})
        return name

    def session(self) -> Session:
        (self.folder / "catalogue.json").write_text(json.dumps([{"backup": self.listed}]))
        catalogue = {"path": "file:catalogue.json", "entries": "/*/backup", "kind": "/kind", "size": "/bytes"}
        catalogue |= {"kinds": {"full": "base", "incr": "increment"}, "start_segment": "/start", "plain_size": "/plain"}
        backups = {"store": "store", "base": ["base/*"], "wal": ["wal/{segment}.sealed"], "catalogue": catalogue}
        backups |= {"keys": {"main": "file:backup.key"}, "archive_within_seconds": 0.5, **self.changes}
        urls = {"url": "env:DATABASE", "planting_url": "env:DATABASE"}
        return self.session_of(backups=backups, database=urls, secret_values={"DATABASE": self.url})

    def run(self, check: str, **parameters: Any) -> list[Any]:
        return run(self.session(), check, **parameters)


def run(session: Session, check: str, **parameters: Any) -> list[Any]:
    one = CHECKS[f"backups.{check}"]
    with session.recording("t") as recorder:
        found = list(one.run([session.probe(kind) for kind in one.probes.values()], parameters))
    kept = json.dumps(plain(tuple(recorder.observations)))
    assert KEY.hex() not in kept
    return found


def shown(found: list[Any]) -> dict[str, Any]:
    """By subject: whether it passed, or why it was not observed; without what was left out."""
    return {
        str(one.subject): one.passed if isinstance(one, Finding) else one.reason
        for one in found
        if not isinstance(one, LeftOut)
    }


def failing(found: list[Any]) -> dict[str, str]:
    return {str(one.subject): one.observed for one in found if isinstance(one, Finding) and not one.passed}


@pytest.fixture(scope="module")
def database(postgres: Any) -> str:
    return postgres.database(
        "CREATE TABLE marks (id serial PRIMARY KEY, word text, at timestamptz DEFAULT clock_timestamp())",
        "INSERT INTO marks (word) VALUES ('another')",
    )


@pytest.fixture
def stored(session_of: Callable[..., Session], tmp_path: Path, database: str) -> Stored:
    return Stored(session_of, tmp_path, database)


@pytest.mark.parametrize("catalogued", [True, False])
def test_sound_backups_pass(stored: Stored, catalogued: bool) -> None:
    if not catalogued:
        stored.changes["catalogue"] = None
    for check in ("taken_in_every_interval", "sizes_are_sane", "no_object_is_readable_without_its_key", "keys_are_not_in_the_store"):  # fmt: skip
        found = shown(stored.run(check))
        assert found, check
        assert set(found.values()) == {True}, found


# --- recovery ------------------------------------------------------------------------------------------------------


def test_a_newest_backup_of_three_days_ago_is_refuted(stored: Stored) -> None:
    stored.listed = [one for one in stored.listed if float(one["name"][5:9]) > 3]
    assert "74" in failing(stored.run("taken_in_every_interval"))["newest backup"]


def test_a_day_without_a_backup_is_refuted(stored: Stored) -> None:
    del stored.listed[3]
    [observed] = failing(stored.run("taken_in_every_interval")).values()
    assert observed == "48.0 hours without a backup"
    assert not failing(stored.run("taken_in_every_interval", every_hours=48.0))
    assert not failing(stored.run("taken_in_every_interval", days=2.0))


def test_a_backup_that_is_not_in_the_store_does_not_count(stored: Stored) -> None:
    name = stored.listed[3]["name"]
    (stored.store / name).unlink()
    assert "48.0 hours without a backup" in failing(stored.run("taken_in_every_interval")).values()
    assert "does not have it" in failing(stored.run("sizes_are_sane"))[name]


def test_a_short_history_is_not_observed(stored: Stored) -> None:
    stored.listed = stored.listed[-2:]
    found = shown(stored.run("taken_in_every_interval"))
    assert found["newest backup"] is True
    assert "reaches back 1.1 days only" in found["the last 6 days"]


def test_no_backup_at_all_is_refuted(stored: Stored) -> None:
    for path in (stored.store / "base").iterdir():
        path.unlink()
    stored.changes["catalogue"] = None
    assert failing(stored.run("taken_in_every_interval")) == {"newest backup": "there is no backup in the store"}
    assert failing(stored.run("sizes_are_sane")) == {"base backups": "there is no backup"}


@pytest.mark.parametrize(
    ("content", "entry", "words"),
    [
        (b"", {}, "it is empty"),
        (sealed(40), {}, "a base backup of nothing"),
        (sealed(200_000), {"bytes": 100_000}, "the catalogue says 100,000"),
        (sealed(200_000), {"plain": 10}, "10 bytes before compression"),
        (b"", {"kind": "incr"}, "it is empty"),
    ],
    ids=["empty", "of nothing", "smaller than the catalogue says", "nothing before compression", "empty increment"],
)
def test_a_backup_of_nothing_is_refuted(stored: Stored, content: bytes, entry: dict[str, Any], words: str) -> None:
    name = stored.base(0.01, content, **entry)
    found = failing(stored.run("sizes_are_sane"))
    assert list(found) == [name]
    assert words in found[name]


def test_a_small_increment_is_sound(stored: Stored) -> None:
    stored.base(0.01, sealed(40), kind="incr")
    assert not failing(stored.run("sizes_are_sane"))


@pytest.mark.parametrize("how", ["missing", "no JSON", "empty", "without a zone", "not a time", "without names"])
def test_a_catalogue_that_cannot_be_read_shows_nothing(stored: Stored, how: str) -> None:
    session = stored.session()
    file = stored.folder / "catalogue.json"
    entry = {"without a zone": {"name": "x", "finished_at": "2026-01-01T00:00:00"}, "not a time": {"name": "x", "finished_at": "soon"}}  # fmt: skip
    texts = {"no JSON": "{", "empty": '[{"backup": []}]', "without names": '[{"backup": [{}]}]'}
    file.write_text(texts.get(how, json.dumps([{"backup": [entry.get(how, {})]}])))
    if how == "missing":
        file.unlink()
    for check in ("taken_in_every_interval", "sizes_are_sane"):
        with pytest.raises(Unobservable, match="catalogue"):
            run(session, check)


def test_objects_that_were_kept_no_longer_are_no_gap(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    session = stored.session()
    file = stored.folder / "catalogue.json"
    listing = backup_store.BackupStore.objects

    def expire(self: Any) -> Any:
        """Between the look at the catalogue and that at the store, the oldest backup goes, from the catalogue first."""
        gone = stored.listed[0]["name"]
        file.write_text(json.dumps([{"backup": stored.listed[1:]}]))
        (stored.store / gone).unlink(missing_ok=True)
        return listing(self)

    monkeypatch.setattr(backup_store.BackupStore, "objects", expire)
    assert not failing(run(session, "sizes_are_sane"))


def test_a_catalogue_of_lines_in_the_store_may_be_read_while_it_is_written(stored: Stored) -> None:
    lines = "".join(f"{json.dumps(one)}\n" for one in stored.listed)
    stored.put("catalogue.jsonl", f'{{"format": 1}}\n{lines}{{"name": "ba'.encode())
    stored.changes["catalogue"] = {"path": "catalogue.jsonl", "format": "jsonl", "header_lines": 1, "size": "/bytes"}
    assert len(stored.run("sizes_are_sane")) == 8
    stored.put("catalogue.jsonl", f'{{"format": 1}}\nnonsense\n{lines}'.encode())
    with pytest.raises(Unobservable, match="line 2"):
        stored.run("sizes_are_sane")


def test_write_ahead_log_with_a_gap_is_refuted(stored: Stored) -> None:
    (stored.store / f"wal/{SEGMENT.format(6)}.sealed").unlink()
    found = failing(stored.run("archive_is_whole"))
    assert SEGMENT.format(6) in found["segments"]
    assert "1 missing" in found["segments"]
    stored.put(f"wal/{SEGMENT.format(6)}.sealed", b"")
    assert SEGMENT.format(6) in failing(stored.run("archive_is_whole"))["empty segments"]


def test_segments_count_on_over_the_border_of_their_name(stored: Stored) -> None:
    each = (1 << 32) // (1 << 20)
    before = f"00000001{0:08X}{each - 1:08X}"
    after = f"00000001{1:08X}{0:08X}"
    assert backup_store.missing_segments([before, after], 1 << 20, 20) == (0, ())
    assert backup_store.missing_segments([before, after[:-1] + "1"], 1 << 20, 20) == (1, (after,))
    # Another timeline begins where it begins.
    assert backup_store.missing_segments([before, "0000000200000000000000F0"], 1 << 20, 20) == (0, ())


def test_an_archive_without_what_backups_begin_with_is_refuted(stored: Stored) -> None:
    (stored.store / f"wal/{SEGMENT.format(3)}.sealed").unlink()
    assert SEGMENT.format(3) in failing(stored.run("archive_is_whole"))["where base backups begin"]
    for path in (stored.store / "wal").iterdir():
        path.unlink()
    assert failing(stored.run("archive_is_whole"))["segments"] == "the store holds no write-ahead log"


@pytest.fixture
def archiving(stored: Stored, postgres: Any) -> Iterator[Callable[[str], None]]:
    """Has the server archive with a command, in which {store} is the store's folder that has write-ahead log."""
    folder = Path(tempfile.mkdtemp(prefix="upheld-archive-"))
    folder.chmod(0o777)
    stored.changes |= {"store": str(folder), "wal": ["{segment}"], "archive_within_seconds": 10.0, "catalogue": None}
    stored.changes["base"] = ["*.base"]

    def begin(command: str) -> None:
        (folder / "one.base").write_bytes(sealed())
        settings = {"archive_command": command.replace("{store}", str(folder)), "archive_timeout": "1s"}
        with psycopg.connect(postgres.superuser_url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_reset_shared('archiver')")
            for name, value in settings.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")  # type: ignore[arg-type]
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_switch_wal()")

    yield begin
    with psycopg.connect(postgres.superuser_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")
    # A segment may still be on its way: the archiver ends what it has begun.
    shutil.rmtree(folder, ignore_errors=True)


def archived_something(url: str) -> None:
    deadline = time.monotonic() + 20
    with psycopg.connect(url, autocommit=True) as connection:
        while time.monotonic() < deadline:
            connection.execute("INSERT INTO marks (word) VALUES ('filler')")
            row = connection.execute("SELECT archived_count FROM pg_stat_archiver").fetchone()
            if row and row[0]:
                return
            time.sleep(0.1)
    raise AssertionError("the server archived nothing")


COPY = "test ! -e {store}/%f && cp %p {store}/%f && chmod a+r {store}/%f"


def test_what_the_server_archived_is_in_the_store(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving(COPY)
    archived_something(stored.url)
    found = shown(stored.run("archive_is_whole"))
    assert found["segments"] is True
    assert found["the server's archiver"] is True


def test_an_archive_command_that_copies_nothing_is_refuted(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving("true")
    archived_something(stored.url)
    stored.changes["archive_within_seconds"] = 0.5
    found = failing(stored.run("archive_is_whole"))
    assert "the store does not have it" in found["the server's archiver"]
    assert "segments" in found


def test_a_server_that_does_not_archive_is_refuted(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whether a server archives is settled when it starts, so that this needs one of its own.
    monkeypatch.setitem(reference._SETTINGS, "archive_mode", "off")
    server = reference.Postgres(tmp_path, tmp_path / "postgres.log")
    server.start()
    try:
        server.wait()
        stored.url = server.superuser_url
        found = shown(stored.run("archive_is_whole"))
    finally:
        server.stop()
    assert found == {"segments": True, "where base backups begin": True, "the server's archiver": False}


def test_an_idle_archiver_shows_nothing(stored: Stored, postgres: Any) -> None:
    with psycopg.connect(postgres.superuser_url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset_shared('archiver')")
    assert "archived nothing" in shown(stored.run("archive_is_whole"))["the server's archiver"]


# --- a restore -----------------------------------------------------------------------------------------------------

_RESTORE = """
import os, re, signal, sys, psycopg
url, name = os.environ["LIVE"], "restored_" + os.urandom(4).hex()
to = lambda database: re.sub(r"@/[^?]+", f"@/{database}", url)
with psycopg.connect(url, autocommit=True) as admin:
    admin.execute(f"CREATE DATABASE {name}")
with psycopg.connect(url) as live, psycopg.connect(to(name), autocommit=True) as scratch:
    scratch.execute("CREATE TABLE marks (id int, word text, at timestamptz)")
    for row in live.execute("SELECT id, word, at FROM marks WHERE at OPERATOR %s::timestamptz", [sys.argv[1]]):
        scratch.execute("INSERT INTO marks VALUES (%s, %s, %s)", row)
print("ready", flush=True)
print("database", to(name), flush=True)
signal.pause()
"""
"""Restores the rows that are as old as OPERATOR says: a copy, in place of a scratch server."""


def restoring(stored: Stored, script: str, *arguments: str, **more: Any) -> None:
    stored.changes["marker"] = {"table": "marks", "column": "word", "values": {"word": "marker {canary}"}}
    command = [sys.executable, "-c", script, *(arguments or ("{time}",))]
    stored.changes["restore"] = {"command": command, "environment": {"LIVE": "env:DATABASE"}, **more}


def marks(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM marks WHERE word LIKE 'marker %'").fetchone()
    assert row is not None
    return int(row[0])


def test_a_restore_to_an_instant_passes(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving(COPY)
    restoring(stored, _RESTORE.replace("OPERATOR", "<="))
    found = shown(stored.run("an_instant_is_restored"))
    assert found == {"what was just written": True, "row from before the instant": True, "row from after the instant": True}  # fmt: skip
    assert marks(stored.url) == 0, "what was planted is removed"


@pytest.mark.parametrize(
    ("script", "more", "outcome"),
    [
        (
            _RESTORE.replace("OPERATOR", ">"),
            {},
            {"row from before the instant": False, "row from after the instant": False},
        ),
        (_RESTORE.replace("OPERATOR", "IS DISTINCT FROM"), {}, {"row from after the instant": False}),
        ("print('no such backup'); raise SystemExit(3)", {}, {"restore to an instant": False}),
        ("", {}, {"restore to an instant": False}),
    ],
)
def test_a_restore_of_something_else_is_refuted(
    stored: Stored, archiving: Callable[[str], None], script: str, more: Any, outcome: dict[str, bool]
) -> None:
    archiving(COPY)
    restoring(stored, script, **more)
    assert dict.fromkeys(failing(stored.run("an_instant_is_restored")), False) == outcome
    assert marks(stored.url) == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import time; time.sleep(60)", "gave no database within"),
        ("print('postgresql://db.example.com/x', flush=True); import time; time.sleep(60)", "another machine"),
        ("print('postgresql:///x?host=/no/such/folder', flush=True); import time; time.sleep(60)", "cannot be asked"),
        ("import os; print(os.environ['LIVE'].replace('/test_', '/no_'), flush=True); import time; time.sleep(60)", "cannot be asked"),
    ],
)  # fmt: skip
def test_a_restore_that_shows_nothing_is_not_observed(
    stored: Stored, archiving: Callable[[str], None], script: str, words: str
) -> None:
    archiving(COPY)
    restoring(stored, script, within_seconds=2.0)
    with pytest.raises(Unobservable, match=words):
        stored.run("an_instant_is_restored")
    assert marks(stored.url) == 0


def test_a_restore_command_that_is_not_there_is_not_observed(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving(COPY)
    restoring(stored, "")
    stored.changes["restore"]["command"] = ["/no/such/program"]
    with pytest.raises(Unobservable, match="cannot be started"):
        stored.run("an_instant_is_restored")


def test_an_archive_that_does_not_grow_is_refuted(stored: Stored) -> None:
    restoring(stored, _RESTORE.replace("OPERATOR", "<="))
    stored.changes["archive_within_seconds"] = 0.5
    found = stored.run("an_instant_is_restored")
    assert list(failing(found)) == ["what was just written"]
    assert "not in the store" in shown(found)["restore to an instant"]
    assert marks(stored.url) == 0


def test_without_a_description_of_the_restore_nothing_shows(stored: Stored) -> None:
    with pytest.raises(Unobservable, match="marker"):
        stored.run("an_instant_is_restored")


# --- secrecy -------------------------------------------------------------------------------------------------------

READABLE = {
    "SQL": (SQL, "SQL text"),
    "gzip": (gzip.compress(SQL), "gzip"),
    "gzip, cut off": (gzip.compress(os.urandom(9000))[:8000], "gzip"),
    "gzip of one word": (gzip.compress(b"word"), "gzip"),
    "zlib": (zlib.compress(SQL), "zlib"),
    "zlib behind a header": (
        b"\x01key-0001" + os.urandom(12) + zlib.compress(os.urandom(9000)),
        "zlib behind 21 bytes",
    ),
    "deflate": (zlib.compress(SQL)[2:-4], "deflate"),
    "bzip2": (bz2.compress(SQL), "bzip2"),
    "xz": (lzma.compress(SQL), "xz"),
    "lzma": (lzma.compress(SQL, format=lzma.FORMAT_ALONE), "lzma"),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\x20" + os.urandom(9000), "zstd"),
    "zstd behind a header": (b"\x01key-0001\x28\xb5\x2f\xfd\x24\x20" + os.urandom(9000), "zstd behind 9 bytes"),
    "lz4": (b"\x04\x22\x4d\x18" + os.urandom(9000), "lz4"),
    "zip": (b"PK\x03\x04" + os.urandom(9000), "zip"),
    "custom dump": (b"PGDMP\x01\x0f\x00" + os.urandom(9000), "a custom dump of PostgreSQL"),
    "tar": (tarred(os.urandom(9000)), "tar"),
    "old tar": (tarred(os.urandom(9000)).replace(b"ustar", b"\0\0\0\0\0", 1), "low entropy|tar"),
    "write-ahead log": (segment_page(), "write-ahead log of PostgreSQL"),
    "write-ahead log behind a header": (b"\x01" + segment_page(), "write-ahead log of PostgreSQL"),
    "JSON": (json.dumps([{"row": n} for n in range(99)]).encode(), "JSON text"),
    "base64 of gzip": (base64.encodebytes(gzip.compress(SQL)), "base64 of gzip"),
    "a table": (b"".join(struct.pack("<IIf", n, n * 7, n / 3) for n in range(4000)), "low entropy"),
    "plain in the middle": (os.urandom(300_000) + SQL * 40 + os.urandom(300_000), "low entropy"),
}
UNREADABLE = {
    "ciphertext": sealed(),
    "little of it": sealed(50),
    "openssl": b"Salted__" + os.urandom(30_000),
    "age": b"age-encryption.org/v1\n-> X25519 " + base64.b64encode(os.urandom(32)) + b"\n--- x\n" + os.urandom(30_000),
    "PGP": b"\x85\x01\x0c\x03" + os.urandom(30_000),
    "armoured PGP": b"-----BEGIN PGP MESSAGE-----\n\n" + base64.encodebytes(b"\x85\x01\x0c\x03" + os.urandom(9000)) + b"=ABCD\n-----END PGP MESSAGE-----\n",
    "armoured age": b"-----BEGIN AGE ENCRYPTED FILE-----\n" + base64.encodebytes(b"age-encryption.org/v1\n" + os.urandom(9000)) + b"-----END AGE ENCRYPTED FILE-----\n",
}  # fmt: skip


@pytest.mark.parametrize("what", READABLE)
def test_what_can_be_read_is_refuted_and_named(stored: Stored, what: str) -> None:
    content, words = READABLE[what]
    stored.put("extra/dump", content)
    found = failing(stored.run("no_object_is_readable_without_its_key"))
    assert list(found) == ["extra/dump"]
    assert any(word in found["extra/dump"] for word in words.split("|")), found


@pytest.mark.parametrize("what", UNREADABLE)
def test_ciphertext_of_every_kind_passes(stored: Stored, what: str) -> None:
    stored.put("extra/dump", UNREADABLE[what])
    assert not failing(stored.run("no_object_is_readable_without_its_key"))


def test_random_bytes_are_never_taken_for_something(stored: Stored) -> None:
    for number in range(300):
        stored.put(f"extra/{number}", os.urandom(20 + 37 * number))
    assert not failing(stored.run("no_object_is_readable_without_its_key"))


def test_what_is_declared_readable_is_left_aside_but_searched_for_keys(stored: Stored) -> None:
    stored.put("info/backup.info", b"[backup:current]\n" * 30)
    assert failing(stored.run("no_object_is_readable_without_its_key")) == {"info/backup.info": "readable as text"}
    stored.changes["readable"] = {"info/*": "names and sizes"}
    found = stored.run("no_object_is_readable_without_its_key")
    assert not failing(found)
    assert [(str(one.subject), one.reason) for one in found if isinstance(one, LeftOut)] == [
        ("info/backup.info", "names and sizes")
    ]
    stored.put("info/backup.info", b"[backup:current]\n" * 30 + base64.b64encode(KEY))
    assert failing(stored.run("keys_are_not_in_the_store")) == {"info/backup.info": "holds the key main"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (KEY, "the key main"),
        (KEY.hex().encode(), "the key main"),
        (b"key: " + base64.b64encode(b"x" + KEY), "the key main"),
        # Across the border between two pieces that are read.
        (os.urandom((1 << 18) - 10) + KEY + os.urandom(1000), "the key main"),
        (b"# created\nAGE-SECRET-KEY-1" + b"Q" * 58 + b"\n", "an age identity"),
        (b"-----BEGIN " + b"OPENSSH PRIVATE KEY-----\nAAAA\n", "a private key"),
    ],
    ids=["raw", "hexadecimal", "base64", "over a border", "age", "private key"],
)
def test_a_key_in_the_store_is_refuted(stored: Stored, content: bytes, words: str) -> None:
    stored.put("base/backup.key", content)
    assert failing(stored.run("keys_are_not_in_the_store")) == {"base/backup.key": f"holds {words}"}


def test_keys_that_cannot_be_looked_for_show_nothing(stored: Stored) -> None:
    stored.changes["keys"] = {}
    [found] = stored.run("keys_are_not_in_the_store")
    assert isinstance(found, NotObserved)
    stored.changes["keys"] = {"main": "file:no.key"}
    with pytest.raises(Unobservable, match="does not exist"):
        stored.run("keys_are_not_in_the_store")


@pytest.mark.parametrize("check", ["no_object_is_readable_without_its_key", "keys_are_not_in_the_store"])
def test_what_is_not_read_is_never_a_pass(stored: Stored, check: str) -> None:
    stored.changes["read_limit_bytes"] = 900_000
    found = shown(stored.run(check))
    assert any(isinstance(one, str) and "read_limit_bytes" in one for one in found.values())
    stored.changes = {}
    os.mkfifo(stored.store / "base" / "pipe")
    assert "no regular file" in shown(stored.run(check))["base/pipe"]


def test_a_store_without_backups_shows_nothing(stored: Stored) -> None:
    for path in (stored.store / "wal").iterdir():
        path.unlink()
    assert shown(stored.run("no_object_is_readable_without_its_key"))["write-ahead log"] == "there was none to be read"
    stored.changes["store"] = "empty"
    (stored.folder / "empty").mkdir()
    for place, words in (("empty", "is empty"), ("nowhere", "no backup store"), ("s3000://x", "no way to")):
        stored.changes["store"] = place
        with pytest.raises(Unobservable, match=words):
            stored.run("no_object_is_readable_without_its_key")


def test_keys_are_not_looked_for_where_no_backup_is(stored: Stored) -> None:
    for name in ("wal", "base"):
        for path in (stored.store / name).iterdir():
            path.unlink()
    stored.put("index.txt", b"nothing yet\n")
    assert shown(stored.run("keys_are_not_in_the_store"))["backups"] == "there was none to be read"


def test_objects_that_go_while_they_are_read_are_not_judged(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = backup_store.BackupStore.objects

    def list_and_lose(self: Any) -> Any:
        found = listing(self)
        (stored.store / stored.listed[0]["name"]).unlink()
        return found

    monkeypatch.setattr(backup_store.BackupStore, "objects", list_and_lose)
    assert set(shown(stored.run("no_object_is_readable_without_its_key")).values()) == {True}


def test_a_folder_that_may_not_be_listed_is_not_left_out(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    from fsspec.implementations.local import LocalFileSystem

    listing = LocalFileSystem.ls

    def refuse(self: Any, path: str, *args: Any, **kwargs: Any) -> Any:
        if path.endswith("/wal"):
            raise PermissionError(13, "Permission denied")
        return listing(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", refuse)
    with pytest.raises(Unobservable, match="Permission denied"):
        stored.run("no_object_is_readable_without_its_key")


def test_stores_of_other_kinds_are_read_too(stored: Stored) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    for name, content in (("base/1", sealed()), (f"wal/{SEGMENT.format(3)}.sealed", SQL)):
        memory.pipe(f"/bucket-{stored.folder.name}/{name}", content)
    stored.changes["store"] = f"memory://bucket-{stored.folder.name}"
    found = failing(stored.run("no_object_is_readable_without_its_key"))
    assert list(found) == [f"wal/{SEGMENT.format(3)}.sealed"]


def test_a_word_in_plain_write_ahead_log_is_found(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving(COPY)  # plain segments
    restoring(stored, "")
    [observed] = set(failing(stored.run("what_is_written_leaves_encrypted")).values())
    assert observed == "holds the word that was written to the database"
    assert marks(stored.url) == 0


def test_a_word_beside_a_key_is_found_too(stored: Stored, archiving: Callable[[str], None]) -> None:
    archiving(f"(echo {KEY.hex()}; cat %p) > leaving && chmod a+r leaving && mv leaving {{store}}/%f")
    restoring(stored, "")
    found = shown(stored.run("what_is_written_leaves_encrypted"))
    assert found
    assert set(found.values()) == {False}, found


def test_a_word_that_does_not_arrive_shows_nothing(stored: Stored) -> None:
    restoring(stored, "")
    [found] = stored.run("what_is_written_leaves_encrypted")
    assert isinstance(found, NotObserved)
    assert "did not get into the store" in found.reason


def test_patterns_of_write_ahead_log_name_the_segment(stored: Stored) -> None:
    stored.changes["wal"] = ["wal/*"]
    with pytest.raises(ValueError, match="segment"):
        stored.session()
