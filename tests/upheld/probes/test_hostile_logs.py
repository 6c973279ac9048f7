"""Logs that a hostile target writes: lines without end, bombs, secrets by the thousand, escapes, files that change while read."""

from __future__ import annotations

import gzip
import json
import lzma
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from processes import said
from upheld.errors import Unobservable
from upheld.probes import logs as module
from upheld.probes import unpacking
from upheld.probes.base import Session
from upheld.probes.logs import Logs
from upheld.probes.search import Searcher
from upheld.probes.unpacking import open_xz

MEMORY = 1 << 30
"""Bytes that searching may take, the interpreter included."""
CANARY = "c7f3a91d25be8460f"
OTHER = "sk-live-Kx81bVq0ZpLmTnR4sWyE2uAh"
MEGABYTE = 1 << 20


def full(kind: str) -> bytes:
    """A megabyte of a log, such that a search of it used to go over it again and again."""
    escaped = "".join(f"\\u{ord(one):04x}" for one in CANARY)
    lines = {
        "one secret after another": CANARY.encode(),
        "a secret in every line": f"2026-11-26T10:00:00Z INFO token={CANARY} ok\n".encode(),
        "two secrets in every line": f"{CANARY} {OTHER}\n".encode(),
        "wrapped secrets": "\n".join(CANARY).encode() + b" ",
        "escaped secrets": f"{escaped} ".encode(),
        "backslashes": b"\\",
        "per cents": b"%25",
        "the beginnings of escapes": b"\x1b]",
        "the beginnings of colours": b"\x1b[",
        "NUL": b"\0",
    }
    return lines[kind] * (MEGABYTE // len(lines[kind]))


KINDS = {
    "one secret after another": True,
    "a secret in every line": True,
    "two secrets in every line": True,
    "wrapped secrets": True,
    "escaped secrets": True,
    "backslashes": False,
    "per cents": False,
    "the beginnings of escapes": False,
    "the beginnings of colours": False,
    "NUL": False,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_that_is_full_of_one_thing_is_searched_to_its_end(kind: str) -> None:
    found = Searcher([CANARY, OTHER]).stream([full(kind)])
    assert found.bytes > MEGABYTE * 0.9
    assert bool(found.count) is KINDS[kind]
    assert len(found.found) <= 100


def long_line(megabytes: int) -> Iterator[bytes]:
    """One line of that size, with the canary across a border of what is read at once, and at the end."""
    yield b"2026-11-26T10:00:00Z " + b"x" * (MEGABYTE - 30) + CANARY.encode()
    for _ in range(megabytes):
        yield b"x" * MEGABYTE
    yield CANARY.encode()


def read_all(folder: str) -> None:
    """Search the logs of a folder in this process, which then may take no more than `MEMORY`, and print what came of it."""
    import resource

    from upheld.probes.scope import Scope
    from upheld.redaction import Redactor
    from upheld.target.model import Target

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    target = Target.model_validate(
        {"name": "hostile", "environment": "reference", "logs": [{"name": "app", "path": "app.log"}]}
    )
    session = Session(target, Redactor(), Scope(target), Path(folder), target_folder=Path(folder))
    word = session.redactor.add(CANARY, "canary")
    probe = session.probe(Logs)
    assert isinstance(probe, Logs)
    searched = probe.search((word,))
    since = probe.contains(CANARY, since=datetime(2026, 1, 1, tzinfo=UTC))
    found = {one.name: sum(hit.file == one.name for hit in searched.hits) for one in searched.files}
    print(
        json.dumps({"found": found, "unread": {one.name: one.reason for one in searched.unread}, "since": since.count})
    )


@pytest.mark.parametrize("megabytes", [100, pytest.param(1_000, marks=pytest.mark.exhaustive)])
def test_lines_without_end_and_bombs_are_searched_in_bounded_memory(megabytes: int, tmp_path: Path) -> None:
    with (tmp_path / "app.log").open("wb") as plain, gzip.open(tmp_path / "app.log.1.gz", "wb", 1) as packed:
        for piece in long_line(megabytes):
            plain.write(piece)
            packed.write(piece)
    script = f"from tests.upheld.probes.test_hostile_logs import read_all; read_all({str(tmp_path)!r})"
    printed = said(script)
    assert json.loads(printed) == {"found": {"app.log": 2, "app.log.1.gz": 2}, "unread": {}, "since": 4}


@pytest.fixture
def logs(session_of: Callable[..., Session]) -> Logs:
    probe = session_of(logs=[{"name": "app", "path": "app.log"}]).probe(Logs)
    assert isinstance(probe, Logs)
    probe.session.redactor.add(CANARY, "canary")
    return probe


def test_what_unpacks_to_too_much_or_wants_too_much_memory_is_not_read(
    logs: Logs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "UNPACKED_LIMIT", 20 * MEGABYTE)
    (tmp_path / "app.log").write_bytes(b"said nothing\n")
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(bytes(50 * MEGABYTE)))
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}]
    (tmp_path / "app.log.2.xz").write_bytes(_huge_window(filters))
    (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(b"x")[:-4])
    (tmp_path / "app.log.4.xz").write_bytes(b"\xfd7zXZ\0" + b"\0" * 100)
    searched = logs.search(("[redacted:canary]",))
    assert {one.name for one in searched.files} == {"app.log"}
    reasons = {one.name: one.reason for one in searched.unread}
    assert set(reasons) == {"app.log.1.gz", "app.log.2.xz", "app.log.3.gz", "app.log.4.xz"}
    assert reasons["app.log.1.gz"] == "it holds more than 20 MiB"
    assert "Memory usage limit" in reasons["app.log.2.xz"]


def _huge_window(filters: list[dict[str, int]]) -> bytes:
    """A small xz file whose header asks for a window of a gigabyte; made with a small one, and then changed."""
    small = lzma.compress(b"x" * 100, format=lzma.FORMAT_XZ, filters=[filters[0] | {"dict_size": 1 << 16}])
    # Block header (xz file format, 3.1): size, flags, the filter's id, size of properties, the window, padding, CRC32.
    header = bytearray(small[12:24])
    assert header[2:4] == b"\x21\x01"
    header[4] = 38  # 2 GiB
    import zlib

    header[8:12] = zlib.crc32(bytes(header[:8])).to_bytes(4, "little")
    return small[:12] + bytes(header) + small[24:]


def test_xz_of_several_streams_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.xz"
    path.write_bytes(
        lzma.compress(b"one\n") + bytes(8) + lzma.compress(b"x" * 1_000_000) + lzma.compress(b"\nend") + bytes(4)
    )
    with open_xz(path) as stream:
        assert stream.read() == b"one\n" + b"x" * 1_000_000 + b"\nend"
    path.write_bytes(lzma.compress(b"x" * 1_000_000)[:-20])
    with open_xz(path) as stream, pytest.raises(EOFError):
        stream.read()
    assert unpacking.WINDOW_LIMIT > 65 * MEGABYTE


def test_escapes_and_markup_around_a_secret_are_shown_as_text(logs: Logs, tmp_path: Path) -> None:
    around = "\x1b]0;owned\x07\x1b[2J\u202e<script>alert(1)</script>\r\x9b31m\x00"
    (tmp_path / "app.log").write_text(f"{around}{CANARY}{around}\n{around}\n", encoding="utf-8")
    (hit,) = logs.search(("[redacted:canary]",)).hits
    assert "[redacted:canary]" in hit.excerpt
    assert hit.excerpt.isprintable()


def test_logs_that_change_while_they_are_read_break_nothing(logs: Logs, tmp_path: Path) -> None:
    path, stop = tmp_path / "app.log", threading.Event()
    line = f"2026-11-26T10:00:00Z user {CANARY} did something\n".encode() * 2_000

    def rotate() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            path.write_bytes(line)
            for old in (tmp_path / f"app.log.{number % 3}", tmp_path / f"app.log.{number % 3}.gz"):
                old.unlink(missing_ok=True)
            if number % 2:
                path.rename(tmp_path / f"app.log.{number % 3}")
            else:
                (tmp_path / f"app.log.{number % 3}.gz").write_bytes(gzip.compress(line)[: -(number % 5) or None])
                path.write_bytes(b"")
            (tmp_path / "app.log.d").mkdir(exist_ok=True)

    thread = threading.Thread(target=rotate)
    thread.start()
    seen = 0
    try:
        for _ in range(30):
            for look in (
                lambda: logs.search(("[redacted:canary]",)).hit_count,
                lambda: logs.contains("did something").count,
                lambda: logs.contains("did something", since=datetime.now(UTC) - timedelta(days=9_000)).count,
                lambda: logs.lines_since(logs.mark()),
            ):
                seen += _tried(look)
    finally:
        stop.set()
        thread.join()
    assert seen > 0


def _tried(look: Callable[[], Any]) -> int:
    try:
        return int(look() > 0)
    except Unobservable as unobservable:
        # It went away, was cut or was empty: said so, and nothing else.
        return int(not unobservable.reason)
