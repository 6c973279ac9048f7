"""What was written to the logs of a source since a mark or a time, and why that may not be all.

That a text is not there is believed only of a log that is whole from then on: each kind of log loses its oldest part at some time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from upheld.errors import Unobservable
from upheld.probes.log_answers import LogMark
from upheld.probes.log_files import AnyFile, LocalFile, Marked, logs_by_file, since_mark
from upheld.probes.log_places import KeptLog, RemoteFile

if TYPE_CHECKING:
    from upheld.target.logs import LogSource

V = TypeVar("V")

NOTHING = "nothing is kept there, so that nothing shows that it records anything"
"""What is said of a journal or a container that has no output at all."""
ALL = "all"
"""The place of a source, apart from those of its logs, once all of them were met: any other is new."""


class Window:
    """The parts of a source's logs that are to be read for what was written since a mark or a time, or all of them."""

    def __init__(
        self,
        source: LogSource,
        logs: Sequence[tuple[AnyFile | KeptLog, str]],
        since: LogMark | datetime | None,
    ) -> None:
        """`logs` are those that are there now, with their names."""
        self._source = source.name
        self._since = since
        self._files = {name: log for log, name in logs if isinstance(log, LocalFile | RemoteFile)}
        self._kept = {name: log for log, name in logs if not isinstance(log, LocalFile | RemoteFile)}
        self._logs = logs_by_file(self._files)
        self._begins: dict[str, datetime] = {}
        self._lost: dict[str, str] = {}
        self.unsure: frozenset[str] = frozenset()
        """Files of which it cannot be told what of them was written since then."""

    def parts(self) -> Iterator[tuple[AnyFile | KeptLog, str, int | str | datetime | None]]:
        """Each log with its name and the place from which on it is to be read; raises Unobservable where that is not known."""
        if not isinstance(self._since, LogMark):
            yield from ((file, name, 0) for name, file in self._files.items())
            yield from ((log, name, self._since) for name, log in self._kept.items())
            return
        read = since_mark(self._marked(self._since), self._files)
        self.unsure = frozenset(read.unsure)
        self._lost = read.lost
        yield from ((self._files[name], name, start) for name, start in read.start.items())
        for name, log in self._kept.items():
            yield log, name, self._place(name)

    def read(self, name: str, begins: datetime | None) -> None:
        """Remember the first time that a file carries."""
        log = self._logs.get(name)
        if log is not None and begins is not None:
            self._begins[log] = min(begins, self._begins.get(log, begins))

    def doubts(self) -> Iterator[str]:
        """Why a text that was not found in these parts may have been written all the same."""
        yield from (f"{log}: {why}" for log, why in self._lost.items())
        if isinstance(self._since, datetime):
            for file in sorted(set(self._logs.values())):
                if file not in self._begins:
                    yield f"{file}: it is empty, so that from when on it is kept is not known"
                elif (first := self._begins[file]) > self._since:
                    yield f"{file}: it begins at {first.isoformat(timespec='seconds')} only, and nothing older is there"
        holds = False
        for name, log in self._kept.items():
            doubts, begins = self._of_kept(name, log)
            holds = holds or begins is not None
            yield from (f"{name}: {one}" for one in doubts)
        if self._kept and not holds:
            yield NOTHING
        if isinstance(self._since, LogMark):
            for name in self._places(self._since):
                if name and name not in self._kept:
                    yield f"{name}: it is not there any more, and what it wrote is not kept"

    def _of_kept(self, name: str, log: KeptLog) -> tuple[list[str], datetime | None]:
        doubts = list(dict.fromkeys(log.gaps))
        wanted = self._since if isinstance(self._since, datetime) else None
        if isinstance(self._since, LogMark) and (place := self._place(name)):
            wanted = log.time_of(place)
            if lost := log.lost(place):
                return [*doubts, lost], log.kept_from()
        begins = log.kept_from()
        if wanted is not None and begins is not None and begins > wanted:
            doubts.append(f"it is kept from {begins.isoformat(timespec='seconds')} on only")
        elif isinstance(self._since, datetime) and begins is None:
            doubts.append("it holds nothing, so that from when on it is kept is not known")
        return doubts, begins

    def _place(self, name: str) -> str:
        """Where a log that is no file ended at the mark."""
        places = self._places(self._since) if isinstance(self._since, LogMark) else {}
        place = places.get(name)
        if place is None and places.get("") == ALL:
            return ""
        if place is None or place.startswith("?"):
            why = place[1:].strip() if place else "it was not met then"
            raise Unobservable(f"log {self._source}, {name}: where it ended at the mark is not known: {why}")
        return place

    def _places(self, mark: LogMark) -> dict[str, str]:
        return _of_source(mark.places, self._source)

    def _marked(self, mark: LogMark) -> Iterator[Marked]:
        identities = _of_source(mark.identities, self._source)
        for name, size in _of_source(mark.sizes, self._source).items():
            identity, _, beginning = identities.get(name, "").removesuffix("*").partition(" ")
            yield Marked(name, identity, beginning, size, newest=identities.get(name, "").endswith("*"))


def _of_source(entries: Iterable[tuple[str, V]], source: str) -> dict[str, V]:
    """The entries of one source, by the names of its logs."""
    return {key.removeprefix(f"{source}\n"): value for key, value in entries if key.startswith(f"{source}\n")}
