"""The logs of the deployment: every line of every declared source, rotated and compressed files too."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import IO, TYPE_CHECKING, ClassVar

from upheld.errors import TimedOut, Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.entries import zone_of
from upheld.probes.log_answers import Hit, LogEvidence, LogFile, LogMark, LogSpan, LogsSearched, UnreadLog
from upheld.probes.log_files import (
    SEARCH_SECONDS,
    UNPACKED_LIMIT,
    AnyFile,
    Lines,
    LocalFile,
    as_far_as_it_goes,
    chunks_of,
    lines_with,
    newest_of,
    packed,
    read_from,
)
from upheld.probes.log_places import KeptLog, RemoteFile, left
from upheld.probes.log_pods import PodLog
from upheld.probes.log_sources import Listed, logs_of
from upheld.probes.log_spans import Reading, span_of
from upheld.probes.log_window import ALL, NOTHING, Window
from upheld.probes.search import SHORTEST, Found, Searched, Searcher
from upheld.probes.sending import COMMAND, Sending, Sends
from upheld.target.manners import MACHINE

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.logs import LogSource

__all__ = ["READS", "Hit", "LogEvidence", "LogFile", "LogMark", "LogSpan", "Logs", "LogsSearched", "UnreadLog"]

READS: tuple[Sends, ...] = (
    Sends(
        COMMAND, "commands that list and read logs, through {connection}", "the account of the connection", each="logs"
    ),
    Sends(COMMAND, "journalctl of the unit {journald.unit}", "the account of the connection", each="logs"),
    Sends(
        COMMAND, "inspect and logs of the container {docker.container}", "the account of the connection", each="logs"
    ),
    Sends(
        COMMAND,
        "kubectl get and logs of pods in {kubectl.namespace}, from {cluster}",
        "the account of kubectl's configuration",
        each="logs",
    ),
)
"""What reading logs sends; files on this machine are none of it."""
_RUN = re.compile(r"[A-Za-z0-9+/=_%\\-]{16,}")
_TRIED = 20


class Logs(Probe):
    """The logs that the target declares."""

    name = "logs"
    needs = ("logs",)
    sends: ClassVar[Sending] = dict.fromkeys(("search", "mark", "contains", "lines_since"), READS)

    def __init__(self, session: Session) -> None:
        """Reads nothing yet. What the harness sends it sends later than this."""
        super().__init__(session)
        self._begun = datetime.now(UTC)
        self._pods: dict[str, set[str]] = {}

    @look
    def search(self, needles: tuple[str, ...], *, own_only: bool = False) -> LogsSearched:
        """Search all logs for secrets, given by their placeholders, in every spelling; with `own_only` none that somebody else keeps.

        A log that cannot be read to its end is listed in `unread`, and so are a source that has nothing and one of which something that
        was written since the harness began is not kept. What was found in it is a hit all the same. Raises Unobservable when there was nothing
        to search or nothing to search for.
        """
        if not needles:
            raise Unobservable("there is nothing to search the logs for")
        searcher = self._searcher(needles)
        files: list[LogFile] = []
        spans: list[LogSpan] = []
        unread: list[UnreadLog] = []
        hits: list[Hit] = []
        count = 0
        deadline = time.monotonic() + SEARCH_SECONDS
        sources = [one for one in self.target.logs if not (own_only and one.foreign)]
        for source in sources:
            holds = False
            readings: list[Reading] = []
            listed = self._listed(source)
            unread += self._gone(source, listed)
            for log, name, reason in listed:
                if log is None:
                    unread.append(UnreadLog(source.name, name, reason))
                    continue
                reading = Reading(_known_zone(source, log))
                searched, reasons = self._searched(searcher, log, deadline, reading)
                if searched is not None:
                    hits += [self._hit(source.name, name, found, needles) for found in searched.found]
                    count += searched.count
                    holds = holds or searched.bytes > 0
                if reasons:
                    unread += [UnreadLog(source.name, name, one) for one in reasons]
                elif searched is not None:
                    is_packed = isinstance(log, LocalFile | RemoteFile) and packed(log)
                    files.append(LogFile(source.name, name, searched.bytes, searched.lines, is_packed))
                    readings += [reading] if searched.lines else []
            if readings:
                spans.append(span_of(source.name, readings))
            if source.path is None and not holds and not any(one.source == source.name for one in unread):
                unread.append(UnreadLog(source.name, "", NOTHING))
        size = sum(file.bytes for file in files)
        if not size and not hits:
            raise Unobservable(_nothing_read(files, unread))
        lines = sum(file.lines for file in files)
        names = tuple(source.name for source in sources)
        return LogsSearched(names, tuple(files), tuple(unread), size, lines, tuple(hits), count, tuple(spans))

    @look
    def mark(self) -> LogMark:
        """Where every log ends now; raises Unobservable when there is none."""
        sizes, identities, places, reasons = [], [], [], list[str]()
        at = datetime.now(UTC)
        for source in self.target.logs:
            files: dict[str, AnyFile] = {}
            whole = True
            for log, name, reason in self._listed(source):
                if isinstance(log, LocalFile | RemoteFile):
                    files[name] = log
                elif log is not None:
                    try:
                        places.append((f"{source.name}\n{name}", log.end()))
                    except Unobservable as unobservable:
                        places.append((f"{source.name}\n{name}", f"? {unobservable.reason}"))
                        reasons.append(unobservable.reason)
                else:
                    whole = False
                    reasons.append(reason)
            if whole and source.path is None:
                places.append((f"{source.name}\n", ALL))  # What is not there now is new later.
            newest = newest_of(files)
            for name, file in files.items():
                sizes.append((f"{source.name}\n{name}", file.size))
                which = f"{file.identity} {file.beginning() if isinstance(file, LocalFile) else ''}"
                identities.append((f"{source.name}\n{name}", f"{which}{'*' if name in newest else ''}"))
        if not sizes and not any(not name.endswith("\n") and not place.startswith("?") for name, place in places):
            raise Unobservable("; ".join(reasons[:3]) or "there is no log file at the declared places")
        return LogMark(at, tuple(sizes), tuple(identities), tuple(places))

    @look
    def contains(self, text: str, *, kind: str = "", since: LogMark | datetime | None = None) -> LogEvidence:
        """How often the logs say `text` (letter case apart), in security logs only if `kind` is "security".

        With a mark only what was written after it counts; with a time only lines that carry a later one. Raises Unobservable when nothing could
        be read, when one of the logs could not be, and when `text` was not found while something of what was written since then is not
        kept any more: a log that begins later, or was rotated away, cannot show that it was not there.
        """
        if kind not in {"", "security"}:
            raise ValueError(f"there is no kind of log called {kind!r}")
        sought = self.session.redactor.reveal(text)
        needle = sought.encode().lower()
        deadline = time.monotonic() + SEARCH_SECONDS
        count = unsure = logs = size = 0
        first: tuple[str, str, int] = ("", "", 0)
        doubts: list[str] = []
        for source in self.target.logs:
            if kind == "security" and not source.security:
                continue
            window = Window(source, self._readable(source), since)
            for log, name, after in window.parts():
                with _read(log, deadline, after) as stream:
                    if isinstance(log, LocalFile | RemoteFile) and isinstance(since, datetime):
                        found = lines_with(stream, needle, since, deadline, name, _zone(source, log))
                    else:
                        found = _counted(stream, sought, deadline, name)
                logs, size = logs + 1, size + found.bytes
                window.read(name, found.begins)
                if name in window.unsure:
                    unsure += found.count
                    continue
                if found.count and not count:
                    first = (source.name, name, found.first)
                count += found.count
            if not count:
                doubts += [f"log {source.name}: {one}" for one in window.doubts()]
        if not logs and not doubts:
            raise Unobservable(
                "the target declares no security log" if kind else "there is no log file at the declared places"
            )
        if not count and unsure:
            doubts.append("a log was rotated meanwhile, and what says so in it may be older")
        if not count and doubts:
            raise Unobservable("; ".join(doubts[:3]))
        return LogEvidence(count, *first, logs, size)

    @look
    def lines_since(self, mark: LogMark) -> int:
        """How many lines the logs hold for certain beyond what they held at that mark."""
        lines = 0
        deadline = time.monotonic() + SEARCH_SECONDS
        for source in self.target.logs:
            logs = [(log, name) for log, name, _ in self._listed(source) if log is not None]
            window = Window(source, logs, mark)
            for log, name, after in window.parts():
                if name not in window.unsure:
                    with _read(log, deadline, after) as stream:
                        lines += sum(chunk.count(b"\n") for chunk in chunks_of(stream, deadline, limit=UNPACKED_LIMIT))
        return lines

    def tried(self, source: LogSource) -> str:
        """What is there of a source, in a few words; raises Unobservable where one of its logs cannot be read."""
        logs = self._readable(source)
        deadline = time.monotonic() + self.target.check_seconds
        for log, name in logs[:_TRIED]:
            if not isinstance(log, LocalFile | RemoteFile):
                if log.kept_from() is None and len(logs) == 1:
                    raise Unobservable(f"{name}: {NOTHING}")
            elif isinstance(log, LocalFile):
                with read_from(log, 0, deadline) as stream:
                    stream.read(1)
        return f"{len(logs)} {'log' if len(logs) == 1 else 'logs'}"

    def _searched(
        self, searcher: Searcher, log: AnyFile | KeptLog, deadline: float, reading: Reading
    ) -> tuple[Searched | None, tuple[str, ...]]:
        """What was found as far as the log can be read, and why that is not all that was written."""
        searched = None
        reasons: list[str] = []
        stopped: list[Exception] = []
        try:
            if time.monotonic() > deadline:
                raise TimedOut(f"not searched within {SEARCH_SECONDS:.0f} s")
            with _read(log, deadline, None) as stream:
                chunks = chunks_of(stream, deadline, limit=UNPACKED_LIMIT)
                searched = searcher.stream(reading.over(as_far_as_it_goes(chunks, stopped)))
                if stopped:
                    raise stopped[0]
            if not isinstance(log, LocalFile | RemoteFile):
                begins = log.kept_from()
                reasons += dict.fromkeys(log.gaps)
                if begins is not None and begins > self._begun:
                    reasons.append(
                        f"it is kept from {begins.isoformat(timespec='seconds')} on only, which is after the harness began"
                    )
        except Unobservable as unobservable:
            reasons.append(unobservable.reason)
        return searched, tuple(reasons)

    def _searcher(self, needles: tuple[str, ...]) -> Searcher:
        try:
            return Searcher([self.session.redactor.value(placeholder) for placeholder in needles])
        except KeyError as error:
            raise Unobservable("a secret to search for is not known to this run") from error
        except ValueError as error:
            raise Unobservable(f"the logs cannot be searched: {error}") from error

    def _listed(self, source: LogSource) -> list[Listed]:
        """The logs of a source; which pods there are is remembered."""
        session = self.session
        seconds, folder = self.target.check_seconds, session.target_folder
        listed = list(logs_of(source, folder, session.scope, seconds, lambda: session.pace(MACHINE)))
        known = self._pods.setdefault(source.name, set())
        known.update(log.identity for log, _, _ in listed if isinstance(log, PodLog))
        return listed

    def _gone(self, source: LogSource, listed: list[Listed]) -> Iterator[UnreadLog]:
        """The outputs of pods that were there before."""
        met = {log.identity for log, _, _ in listed if isinstance(log, PodLog)}
        for one in sorted(self._pods[source.name] - met):
            yield UnreadLog(source.name, one.partition(" ")[2], "its pod is gone, and what it wrote is not kept")

    def _readable(self, source: LogSource) -> list[tuple[AnyFile | KeptLog, str]]:
        """All logs of a source; raises Unobservable where one of them is none that can be read."""
        logs = []
        for log, name, reason in self._listed(source):
            if log is None:
                raise Unobservable(f"log {source.name}: {reason}")
            logs.append((log, name))
        return logs

    def _hit(self, source: str, name: str, found: Found, needles: tuple[str, ...]) -> Hit:
        placeholder = needles[found.needle]
        excerpt = f"{self._masked(found.before)}{placeholder}{self._masked(found.after)}"
        return Hit(placeholder, source, name, found.line, found.encoding, excerpt)

    @staticmethod
    def _masked(text: bytes) -> str:
        """Text around a hit. What may be a piece of another secret is masked: cut off or oddly spelt, no redactor would know it."""
        shown = "".join(c if c.isprintable() else " " for c in text.decode("utf-8", "replace"))
        return _RUN.sub("…", shown)


@contextmanager
def _read(log: AnyFile | KeptLog, deadline: float, after: int | str | datetime | None) -> Iterator[IO[bytes]]:
    """The log as a stream from a place on; raises Unobservable when it cannot be read to its end."""
    if isinstance(log, LocalFile | RemoteFile):
        with read_from(log, after if isinstance(after, int) else 0, deadline) as stream:
            yield stream
    else:
        with log.opened(None if isinstance(after, int) else after, left(deadline)) as stream:
            yield stream


def _counted(stream: IO[bytes], text: str, deadline: float, name: str) -> Lines:
    """Where the text is in a stream, whatever the times of its lines."""
    if len(text) < SHORTEST:
        return lines_with(stream, text.encode().lower(), None, deadline, name)
    searched = Searcher([text], spellings=False).stream(chunks_of(stream, deadline, limit=UNPACKED_LIMIT))
    return Lines(searched.count, searched.found[0].line if searched.found else 0, searched.bytes, None)


def _zone(source: LogSource, file: AnyFile | KeptLog) -> tzinfo | bool:
    """The zone of times that say none, as `lines_with` takes it."""
    return zone_of(source.time_zone) if source.time_zone else isinstance(file, LocalFile)


def _known_zone(source: LogSource, file: AnyFile | KeptLog) -> tzinfo | bool:
    """As `_zone`; False for a zone that is not known here, by which nothing is searched."""
    try:
        return _zone(source, file)
    except Unobservable:
        return False


def _nothing_read(files: list[LogFile], unread: list[UnreadLog]) -> str:
    if unread:
        return "; ".join(dict.fromkeys(f"log {one.source}: {one.reason}" for one in unread[:3]))
    return "every log file is empty" if files else "there is no log file"
