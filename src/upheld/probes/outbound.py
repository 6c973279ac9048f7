"""The deployment's own record of the calls that it makes: whom it called, what for and how, read in constant memory."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from upheld.errors import Refused, Unobservable
from upheld.probes.base import Probe, look

if TYPE_CHECKING:
    from upheld.target.network import Outbound as Description

LINE_LIMIT = 64 * 1024
"""Bytes of one line that are read; a longer one counts as unreadable."""
KINDS_LIMIT = 10_000
"""Different calls (purpose, host, port, scheme, outcome) that one look tells apart; more are Unobservable."""


@dataclass(frozen=True, slots=True)
class Call:
    """Calls that are alike, and how many there were. What the record does not say is empty, and the port 0."""

    purpose: str
    host: str
    port: int
    scheme: str
    outcome: str
    count: int

    def __str__(self) -> str:
        """`host (purpose)`."""
        return f"{self.host} ({self.purpose})" if self.purpose else self.host


@dataclass(frozen=True, slots=True)
class Calls:
    """What the record holds: how many calls, which kinds of them, how many lines name no host, and when the last one was made."""

    calls: int
    kinds: tuple[Call, ...]
    unreadable: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class RecordMark:
    """Where every file of the record, by its inode, ended at an instant."""

    sizes: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Declared:
    """Whom the deployment may call: hosts by purpose, the purposes for which customers choose, and the deployment's own hosts."""

    hosts: tuple[tuple[str, str], ...]
    to_customers: tuple[str, ...]
    own: tuple[str, ...]


class Outbound(Probe):
    """The record of outbound calls that the target declares."""

    name = "outbound"
    needs = ("outbound",)

    @look
    def declared(self) -> Declared:
        """The declared destinations as purpose and host (in lower case), and the hosts of the target's endpoints."""
        described = self._described
        hosts = tuple((one.purpose, _folded(one.host)) for one in described.destinations)
        own = tuple(sorted({_folded(endpoint.host) for endpoint in self.target.endpoints}))
        return Declared(hosts, described.to_customers, own)

    @look
    def mark(self) -> RecordMark:
        """Where the record ends now; raises Unobservable when there is none."""
        return RecordMark(tuple((_file(path), path.stat().st_size) for path in self._files()))

    @look
    def calls(self, *, since: RecordMark | None = None, after: datetime | None = None) -> Calls:
        """The recorded calls: all, those behind a mark, those after an instant (lines that tell no time count as later).

        Raises Unobservable when there is no record or it cannot be read.
        """
        described = self._described
        kinds: Counter[tuple[str, str, int, str, str]] = Counter()
        unreadable, last = 0, None
        for line in self._lines(dict(since.sizes) if since else {}):
            call = _parsed(line)
            host = call.get(described.host) if call else None
            if call is None or not isinstance(host, str) or not host.strip():
                unreadable += 1
                continue
            at = _instant(call.get(described.time))
            if after is not None and at is not None and at < after:
                continue
            last = at if last is None or (at is not None and at > last) else last
            port = call.get(described.port)
            purpose, scheme, outcome = (
                str(call.get(name) or "") for name in (described.purpose, described.scheme, described.outcome)
            )
            kinds[purpose, _folded(host), port if isinstance(port, int) else 0, scheme.lower(), outcome] += 1
            if len(kinds) > KINDS_LIMIT:
                raise Unobservable(f"the record of outbound calls holds more than {KINDS_LIMIT} different calls")
        found = tuple(Call(*kind, count) for kind, count in sorted(kinds.items()))
        return Calls(kinds.total(), found, unreadable, last)

    @property
    def _described(self) -> Description:
        if self.target.outbound is None:
            raise Unobservable("the target describes no outbound calls")
        return self.target.outbound

    def _files(self) -> list[Path]:
        pattern = self._described.record
        folder = self.session.target_folder
        base = Path(pattern).anchor
        try:
            found = sorted((Path(base) if base else folder).glob(pattern.removeprefix(base)))
            files = [path for path in found if path.is_file()]
        except (OSError, ValueError, NotImplementedError) as error:
            raise Refused(f"the record of outbound calls cannot be listed: {error}") from error
        if not files:
            raise Unobservable(f"there is no record of outbound calls at {pattern}")
        return files

    def _lines(self, sizes: dict[str, int]) -> Iterator[bytes]:
        for path in self._files():
            begun = sizes.get(_file(path), 0)
            try:
                with _opened(path) as stream:
                    # A file that is shorter than it was has been emptied: all of it is new.
                    if begun and path.suffix != ".gz" and path.stat().st_size >= begun:
                        stream.seek(begun)
                    while line := stream.readline(LINE_LIMIT):
                        whole = line
                        while line and not line.endswith(b"\n"):
                            line = stream.readline(LINE_LIMIT)
                            whole = b"" if line else whole
                        if whole.strip() or not whole:
                            yield whole
            except (OSError, EOFError) as error:
                raise Refused(f"the record of outbound calls {path.name} cannot be read: {error}") from error


def _file(path: Path) -> str:
    """What stays the same when a file is renamed, as rotation does."""
    return str(path.stat().st_ino)


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _instant(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type]
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _folded(host: str) -> str:
    return host.strip().rstrip(".").casefold()
