"""The parts of backups by themselves: sealing, catalogue, spool, schedule and names of segments."""

from __future__ import annotations

import io
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from upheld_reference.backups import schedule, wal
from upheld_reference.backups.agent import Agent, base_name, rfc3339, wal_name
from upheld_reference.backups.base import BackupError
from upheld_reference.backups.catalogue import Catalogue, CatalogueError, Entry
from upheld_reference.backups.sealing import BackupKey, SealError
from upheld_reference.backups.store import Store, compressed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def key(tmp_path: Path) -> BackupKey:
    return BackupKey.create(tmp_path)


def agent_in(folder: Path, key: BackupKey) -> Agent:
    """An agent over a spool and a store below ``folder``, as one that has just started finds them."""
    spool, store = folder / "spool", Store(folder / "store")
    spool.mkdir(exist_ok=True)
    catalogue = Catalogue(store.path("catalogue.jsonl"), key, folder / "head")
    if catalogue.path.exists():
        catalogue.load()
    return Agent("", spool, store, catalogue, key)


def fill(folder: Path, count: int, first: int = 5) -> dict[str, bytes]:
    """Puts finished segments into the spool and returns their content by name."""
    segments = {wal.segment_name(1, first + n): os.urandom(1000) * 1049 for n in range(count)}
    for name, content in segments.items():
        (folder / "spool" / name).write_bytes(content)
    return segments


# --- sealing


def opened(key: BackupKey, name: str, sealed: bytes) -> bytes:
    plain = io.BytesIO()
    key.open_into(name, io.BytesIO(sealed), plain)
    return plain.getvalue()


def test_what_was_sealed_opens_under_its_name_only(key: BackupKey, tmp_path: Path) -> None:
    plain = secrets.token_bytes(700_000)
    sealed = b"".join(key.seal("base/a", [plain[:300_000], plain[300_000:]]))
    assert opened(key, "base/a", sealed) == plain
    assert sealed[:9] == b"\x01" + key.key_id.encode()
    with pytest.raises(SealError, match="base/b does not authenticate"):
        opened(key, "base/b", sealed)
    again = BackupKey.load(key.file(tmp_path))
    assert opened(again, "base/a", sealed) == plain
    assert b"".join(key.seal("base/a", [plain]))[9:21] != sealed[9:21]  # a fresh nonce


@pytest.mark.parametrize("position", [9, 20, 21, 40, -1])
def test_a_changed_byte_shows(key: BackupKey, position: int) -> None:
    sealed = bytearray(b"".join(key.seal("x", [b"content of some length"])))
    sealed[position] ^= 1
    with pytest.raises(SealError, match="does not authenticate"):
        opened(key, "x", bytes(sealed))


def test_what_is_no_object_of_this_key_is_refused(key: BackupKey, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = BackupKey.create(tmp_path / "other")
    for content in (b"", b"\x01", b"".join(other.seal("x", [b"content"]))):
        with pytest.raises(SealError, match=f"x was not sealed with the key {key.key_id}"):
            opened(key, "x", content)
    (tmp_path / "backup-12345678.key").write_bytes(b"short")
    with pytest.raises(SealError, match=r"expected backup-<8 characters>\.key with 32 bytes"):
        BackupKey.load(tmp_path / "backup-12345678.key")


# --- catalogue


def entry(name: str, kind: str = "wal", finished: datetime = NOW, segment: int = 5) -> Entry:
    file = wal.segment_name(1, segment)
    values = {"size_bytes": 10, "sha256": "0" * 64, "plain_bytes": 20, "key_id": "k", "timeline": 1}
    spans = {"start_lsn": "0/0", "end_lsn": "0/1", "start_segment": file, "end_segment": file}
    at = rfc3339(finished)
    return Entry(name=name, kind=kind, origin="agent", taken_at=at, finished_at=at, **values, **spans)  # type: ignore[arg-type]


@pytest.fixture
def catalogue(key: BackupKey, tmp_path: Path) -> Catalogue:
    written = Catalogue(tmp_path / "catalogue.jsonl", key, tmp_path / "head")
    written.add([entry("a"), entry("b")])
    written.add([entry("c")])
    return written


def test_a_catalogue_is_read_as_it_was_written(catalogue: Catalogue, key: BackupKey) -> None:
    assert [e.name for e in Catalogue(catalogue.path, key).load().entries] == ["a", "b", "c"]
    catalogue.add([replace(entry("b"), size_bytes=11)])
    catalogue.remove(["a"])
    read = Catalogue(catalogue.path, key).load()
    assert read.entries == catalogue.entries
    assert [(e.name, e.size_bytes) for e in read.entries] == [("b", 11), ("c", 10)]
    assert json.loads(catalogue.path.read_text().splitlines()[0])["generation"] == 3


def _edit(text: str) -> str:
    return text.replace('"name": "b"', '"name": "x"')


def _drop_middle(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:2] + lines[3:])


def _swap(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([lines[0], lines[2], lines[1], lines[3]])


def _add(text: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join([*lines, lines[-1]])


def _no_mac(text: str) -> str:
    return "".join(
        json.dumps({k: v for k, v in json.loads(line).items() if k != "mac"}) + "\n" for line in text.splitlines()
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit, "line 3 of the catalogue does not authenticate"),
        (_drop_middle, "line 3 of the catalogue does not authenticate"),
        (_swap, "line 2 of the catalogue does not authenticate"),
        (_add, "line 5 of the catalogue does not authenticate"),
        (_no_mac, "line 1 of the catalogue is no entry"),
        (
            lambda text: "".join(text.splitlines(keepends=True)[:-1]),
            "the catalogue lacks lines that were written to it",
        ),
        (lambda _text: "", "the catalogue is empty"),
        (lambda _text: "[]\n", "line 1 of the catalogue is no entry"),
    ],
)
def test_tampering_shows(
    catalogue: Catalogue, key: BackupKey, tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    catalogue.path.write_text(change(catalogue.path.read_text()))
    with pytest.raises(CatalogueError, match=message):
        Catalogue(catalogue.path, key, tmp_path / "head").load()


def test_an_older_catalogue_put_back_shows(catalogue: Catalogue, key: BackupKey, tmp_path: Path) -> None:
    old = catalogue.path.read_text()
    catalogue.remove(["c"])
    catalogue.path.write_text(old)
    with pytest.raises(CatalogueError, match="lacks lines"):
        Catalogue(catalogue.path, key, tmp_path / "head").load()


def test_another_key_does_not_authenticate(catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with pytest.raises(CatalogueError, match="line 1 of the catalogue does not authenticate"):
        Catalogue(catalogue.path, BackupKey.create(tmp_path / "other")).load()


def test_a_line_that_a_crash_cut_off_is_left_out(catalogue: Catalogue, key: BackupKey, tmp_path: Path) -> None:
    with catalogue.path.open("a") as file:
        file.write('{"name": "d", "ki')
    read = Catalogue(catalogue.path, key, tmp_path / "head").load()
    assert [e.name for e in read.entries] == ["a", "b", "c"]
    read.add([entry("d")])
    assert [e.name for e in Catalogue(catalogue.path, key, tmp_path / "head").load().entries] == ["a", "b", "c", "d"]


# --- the spool


def check_all_there(agent: Agent, segments: dict[str, bytes]) -> None:
    for name, content in segments.items():
        assert agent.store.read(wal_name(name), agent.key) == content
        found = agent.catalogue.get(wal_name(name))
        assert found is not None
        assert (found.start_segment, found.plain_bytes) == (name, len(content))
        assert wal.lsn(found.end_lsn) - wal.lsn(found.start_lsn) == wal.SEGMENT_BYTES


def test_finished_segments_go_to_the_store(tmp_path: Path, key: BackupKey) -> None:
    agent = agent_in(tmp_path, key)
    segments = fill(tmp_path, 3)
    unfinished = tmp_path / "spool" / f"{wal.segment_name(1, 8)}.partial"
    unfinished.write_bytes(b"half of")
    assert agent.drain() == 3
    check_all_there(agent, segments)
    assert list((tmp_path / "spool").iterdir()) == [unfinished]
    assert agent.drain() == 0


_KILLED = """
import os, sys
from pathlib import Path
from test_backup_agent import agent_in
from upheld_reference.backups import catalogue, store
from upheld_reference.backups.sealing import BackupKey

folder, owner, name, calls = Path(sys.argv[1]), sys.argv[2], sys.argv[3], []
classes = {"Store": store.Store, "Catalogue": catalogue.Catalogue, "Path": type(folder)}
real = getattr(classes[owner], name)

def wait_at_the_second(*arguments, **options):
    calls.append(1)
    if len(calls) == 2:
        print("here", flush=True)
        sys.stdin.read()
    return real(*arguments, **options)

agent = agent_in(folder, BackupKey.load(next(folder.glob("backup-*.key"))))
setattr(classes[owner], name, wait_at_the_second)
agent.drain()
"""


@pytest.mark.parametrize(
    ("owner", "name"), [("Store", "put"), ("Catalogue", "add"), ("Catalogue", "_keep_head"), ("Path", "unlink")]
)
def test_an_agent_that_was_killed_loses_nothing(tmp_path: Path, key: BackupKey, owner: str, name: str) -> None:
    agent_in(tmp_path, key)
    segments = fill(tmp_path, 4)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", _KILLED, str(tmp_path), owner, name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert list((tmp_path / "spool").iterdir()) != []
    again = agent_in(tmp_path, key)
    again.drain()
    check_all_there(again, segments)
    assert list((tmp_path / "spool").iterdir()) == []
    assert again.store.names() == {"catalogue.jsonl", *map(wal_name, segments)}
    assert Catalogue(again.catalogue.path, key, tmp_path / "head").load().entries == again.catalogue.entries


def test_a_segment_that_comes_twice_must_be_the_same(tmp_path: Path, key: BackupKey) -> None:
    agent = agent_in(tmp_path, key)
    [(name, content)] = fill(tmp_path, 1).items()
    agent.drain()
    (tmp_path / "spool" / name).write_bytes(content)
    assert agent.drain() == 1
    (tmp_path / "spool" / name).write_bytes(content[::-1])
    with pytest.raises(BackupError, match="was archived twice, with different content"):
        agent.drain()
    assert (tmp_path / "spool" / name).exists()
    check_all_there(agent, {name: content})


def test_the_archive_command_copies_whole_files_and_fails_honestly(tmp_path: Path) -> None:
    spool = tmp_path / "a 'spool' of 100 %"
    source = tmp_path / "0000000100000000000000AB"
    source.write_bytes(os.urandom(5000))

    def archive() -> int:
        command = wal.archive_command(spool)
        # As PostgreSQL fills it in: %p the path, %f the file name, %% a per cent sign.
        filled = command.replace("%%", "\0").replace("%p", str(source)).replace("%f", source.name).replace("\0", "%")
        return subprocess.run(["sh", "-c", filled], stderr=subprocess.DEVNULL, check=False).returncode

    assert archive() != 0
    spool.mkdir()
    assert archive() == 0
    assert [path.name for path in spool.iterdir()] == [source.name]
    assert (spool / source.name).read_bytes() == source.read_bytes()
    assert archive() != 0
    source.unlink()
    (spool / source.name).unlink()
    assert archive() != 0
    assert list(spool.iterdir()) == []


# --- schedule


def bases(*ages_days: float) -> list[Entry]:
    """Base backups of those ages; each begins a segment later than the older one."""
    ordered = sorted(ages_days, reverse=True)
    return [entry(f"base/{age}", "base", NOW - timedelta(days=age), 10 + n) for n, age in enumerate(ordered)]


@pytest.mark.parametrize(("ages", "expected"), [((), True), ((1.001, 3), True), ((0.999, 3), False), ((1,), True)])
def test_a_backup_is_due_a_day_after_the_newest(ages: tuple[float, ...], expected: bool) -> None:
    assert schedule.due([*bases(*ages), entry("wal/new")], NOW, timedelta(days=1)) is expected


def test_kept_is_what_restores_every_instant_of_the_window() -> None:
    known = bases(10, 9, 8, 7.5, 6, 1)
    logs = [entry(f"wal/{number}", segment=number) for number in range(8, 20)]
    gone = schedule.expired([*known, *logs], NOW, timedelta(days=7))
    # The one of 7.5 days (the fourth, which begins in segment 13) is needed for the first half day of the window.
    assert {e.name for e in gone} == {"base/10", "base/9", "base/8", *(f"wal/{number}" for number in range(8, 13))}
    assert schedule.expired([*bases(7, 6), *logs[2:]], NOW, timedelta(days=7)) == []
    assert schedule.expired(logs, NOW, timedelta(days=7)) == []


# --- names


def test_segments_are_named_as_postgresql_names_them() -> None:
    assert wal.segment_name(1, wal.lsn("0/900028") // wal.SEGMENT_BYTES) == "000000010000000000000009"
    assert wal.segment_name(2, wal.lsn("3/FFF00000") // wal.SEGMENT_BYTES) == "000000020000000300000FFF"
    for number in (0, 4095, 4096, 123_456):
        assert wal.segment_number(wal.segment_name(7, number)) == number
    for text in ("0/0", "1/900028", "FF/FFFFFFFF"):
        assert wal.lsn_text(wal.lsn(text)) == text


def test_gaps_are_found_also_where_the_name_carries_over() -> None:
    whole = {wal.segment_name(1, number) for number in range(4090, 4100)}
    assert wal.gaps(whole) == []
    assert wal.gaps(whole - {"000000010000000000000FFF", "000000010000000100000001"}) == [
        "000000010000000000000FFF",
        "000000010000000100000001",
    ]
    assert wal.gaps(set()) == []


def test_base_backups_are_named_by_their_moment() -> None:
    assert base_name(datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)) == "base/20260102T030405.678Z.tar.zlib.sealed"


def test_an_object_that_fails_half_way_does_not_appear(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def failing() -> object:
        yield b"half"
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        store.put("wal/x", compressed(failing()))  # type: ignore[arg-type]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
