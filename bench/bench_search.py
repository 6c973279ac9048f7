"""The search for secrets: 5 GB of logs, the same packed by gzip, and a 2 GB dump of a real PostgreSQL, each in a process of its own.

Promise: memory does not grow with what is searched. Each is searched small and large; prints MB/s, and the peak memory of
the large search against the small one's. A canary at each end of the stream, plain and in base64, must be found.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from upheld.probes.log_files import chunks_of, opened
from upheld.probes.search import Searcher
from upheld_reference import deployment

CANARY = "upheld-canary-7c1f0e5b9a3d4e62"
SPELT = base64.b64encode(f"token={CANARY}".encode()).decode()
MAY_GROW = 1.10
"""The peak of the large search against the small one's."""
DAY = 24 * 3600.0


def lines(megabytes: int) -> Iterator[bytes]:
    """A log of that size, with the canary in its first and, in base64, in its last line."""
    block = b"".join(
        b'2026-11-25T10:00:%02d.%03dZ INFO api request id=%08x path="/v1/workspaces/%x?q=a%%20b" status=200 text="caf\\u00e9"\n'
        % (number % 60, number % 1000, number * 2654435761 % 2**32, number)
        for number in range(8_000)
    )
    yield f"first {CANARY}\n".encode()
    for _ in range(megabytes * 1_000_000 // len(block)):
        yield block
    yield f"last {SPELT}\n".encode()


def write(path: Path, megabytes: int) -> None:
    """Write such a log, packed where the name says so."""
    with gzip.open(path, "wb", compresslevel=1) if path.suffix == ".gz" else path.open("wb") as stream:
        for block in lines(megabytes):
            stream.write(block)


def fill(url: str, megabytes: int) -> None:
    """Make a table of that size, with the canary in its first and last row."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS bench_search")
        connection.execute("CREATE UNLOGGED TABLE bench_search (id bigint, body text)")
        connection.execute("INSERT INTO bench_search VALUES (0, %s)", [f"first {CANARY}"])
        connection.execute(
            "INSERT INTO bench_search SELECT n, repeat(md5(n::text) || ' a message of some length ', 34) FROM generate_series(1, %s) n",
            [megabytes * 500],
        )
        connection.execute("INSERT INTO bench_search VALUES (-1, %s)", [f"last {SPELT}"])


def search(source: str) -> None:
    """In a process of its own: search a file or, by URL, the table; print what was found and what it took."""
    searcher = Searcher([CANARY])
    before = time.perf_counter()
    if source.startswith("postgresql"):
        copy = "COPY (SELECT * FROM bench_search) TO STDOUT"
        with psycopg.connect(source) as connection, connection.cursor() as cursor, cursor.copy(copy) as rows:
            found = searcher.stream(bytes(block) for block in rows)
    else:
        with opened(Path(source)) as (stream, _):
            found = searcher.stream(chunks_of(stream, time.monotonic() + DAY, limit=1 << 50))
    seconds = time.perf_counter() - before
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"count": found.count, "bytes": found.bytes, "seconds": seconds, "peak": peak / 1024}))


def searched(label: str, source: str) -> dict[str, float]:
    """Search in a process of its own; exits when one of the two canaries was missed."""
    done = subprocess.run([sys.executable, __file__, "--search", source], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"search {label} failed:\n{done.stderr}")
    said: dict[str, float] = json.loads(done.stdout)
    if said["count"] != 2:
        sys.exit(f"search {label}: found {said['count']:.0f} of 2 canaries")
    return said


def compare(label: str, small: dict[str, float], large: dict[str, float]) -> bool:
    """Print the large search beside the small one; whether its memory stayed."""
    ratio = large["peak"] / small["peak"]
    print(
        f"search {label}: {large['bytes'] / 1e9:.2f} GB in {large['seconds']:.1f} s, {large['bytes'] / 1e6 / large['seconds']:.0f} MB/s; "
        f"peak {large['peak']:.0f} MiB, {ratio:.2f} x that of {small['bytes'] / 1e6:.0f} MB (promised: at most {MAY_GROW})",
        flush=True,
    )
    return ratio <= MAY_GROW


def main() -> None:
    """Search small and large streams; exit 1 when memory grew."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--logs-megabytes", type=int, default=5_000)
    parser.add_argument("--dump-megabytes", type=int, default=2_000)
    parser.add_argument("--search", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.search:
        search(given.search)
        return
    kept = []
    with tempfile.TemporaryDirectory() as name:
        for suffix in ("log", "log.gz"):
            said = []
            for megabytes in (100, given.logs_megabytes):
                path = Path(name) / f"application.{suffix}"
                write(path, megabytes)
                said.append(searched(suffix, str(path)))
                path.unlink()
            kept.append(compare(suffix, *said))
    with deployment.start() as running:
        url = running.facts["postgres"]["urls"]["superuser"]
        said = []
        for megabytes in (100, given.dump_megabytes):
            fill(url, megabytes)
            said.append(searched("dump", url))
        kept.append(compare("dump", *said))
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
