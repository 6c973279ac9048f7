"""What the containers of pods wrote, as kubectl gives it.

A kubelet keeps the output of a container's present run and of the one before, and gives only the newest file of each. So a log of
a pod is read over the run before and the present one, and it is asked what lies between a mark and now that neither holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any, cast

from upheld.errors import Unobservable
from upheld.probes.log_commands import Lines, output_of, streamed
from upheld.probes.log_places import Reach, instant, last_stamp, moment, stamp_of

if TYPE_CHECKING:
    from upheld.target.logs import Pods

CONTAINERS_LIMIT = 500
"""Containers whose outputs are read at the most: each takes a command or two."""
_LISTING = 64 << 20
_PIECE = 1 << 20
_LONGEST = 16 << 20
_PART = 16 << 10
"""Bytes after which runtimes of containers divide a long line (CRI, as containerd and CRI-O write it)."""
_INNER_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d) ")
_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a container whose output the kubelet still gives: the how many-th it is, and whether it is the one before."""

    number: int
    before: bool


class PodLog:
    """The output of one container of one pod."""

    def __init__(self, cluster: Cluster, pod: str, uid: str, container: str, runs: tuple[_Run, ...]) -> None:
        """Reads nothing yet; `runs` are those of which there is output, the oldest first."""
        self._cluster = cluster
        self._pod = pod
        self._uid = uid
        self._container = container
        self._runs = runs
        self.name = f"{pod}/{container}"
        self.identity = f"{uid} {self.name}"
        """What it is called, and of which pod: another one may take its name."""
        self.gaps: list[str] = []

    def end(self) -> str:
        """The pod's identifier, the number of the container's run, and the time of its last line; empty where there is none."""
        last = self._runs[-1]
        text = output_of(self._command(last, "--tail=1"), self._cluster.seconds, limit=_LONGEST)
        stamp = last_stamp(text)
        if stamp is None:
            raise Unobservable(_of_kubelet(text))
        return f"{self._uid} {last.number} {stamp}"

    def kept_from(self) -> datetime | None:
        """The time of the oldest line that is kept; None where there is none."""
        for run in self._runs:
            with streamed(self._command(run), self._cluster.seconds) as stream:
                line = stream.readline(_PIECE)
                if stamp := stamp_of(line):
                    return moment(stamp)
                while stream.read(_PIECE):  # It is no log, but what somebody has to say: hear how it ends.
                    pass
            if line:
                raise Unobservable(_of_kubelet(line))
        return None

    def time_of(self, place: str) -> datetime | None:
        """The time of a line."""
        stamp = place.split(" ")[2]
        return moment(stamp) if stamp else None

    def lost(self, place: str) -> str:
        """Whether the pod is another one by now, or so many runs came since that the output of some is gone."""
        uid, number, _ = place.split(" ")
        if uid != self._uid:
            return "another pod has its name since, and what the earlier one wrote is not kept"
        if self._runs[0].number > int(number):
            times = self._runs[-1].number - int(number)
            return f"the container was started anew since ({times} times), and what it wrote before is not kept"
        return ""

    @contextmanager
    def opened(self, after: str | datetime | None, seconds: float) -> Iterator[IO[bytes]]:
        """What it wrote since, over all runs that are kept, without the times of the kubelet."""
        with closing(self._lines(after, seconds)) as lines:
            yield cast("IO[bytes]", Lines(lines))

    def _lines(self, after: str | datetime | None, seconds: float) -> Generator[bytes, None, None]:
        passed: tuple[datetime, int] | None = None
        first, runs = "", self._runs
        if isinstance(after, datetime):
            first = f"{after.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
            passed = (after.astimezone(UTC).replace(microsecond=0), after.microsecond * 1000 - 1)
        elif after and after.split(" ")[0] == self._uid:
            _, number, stamp = after.split(" ")
            runs = tuple(run for run in runs if run.number >= int(number))
            if stamp:
                first, passed = f"{moment(stamp):%Y-%m-%dT%H:%M:%SZ}", instant(stamp)
        for run in runs:
            since = [f"--since-time={first}"] if first else []
            with streamed(self._command(run, *since), seconds) as stream:
                yield from self._later(stream, passed)

    def _later(self, stream: IO[bytes], passed: tuple[datetime, int] | None) -> Iterator[bytes]:
        """The lines that are later than what was passed: the API itself only knows whole seconds."""
        begun, carried, wanted = passed is None, False, True
        while piece := stream.readline(_PIECE):
            if carried:
                # Old kubelets write the time before each part of a divided line.
                text = _INNER_STAMP.sub(b"", piece)
            elif not (stamp := stamp_of(piece)):
                self.gaps.append(_of_kubelet(piece))
                text = piece
            else:
                begun = begun or passed is None or instant(stamp) > passed
                wanted = begun
                text = piece[len(stamp) + 1 :] or b"\n"
                if len(text) > _PART:
                    text = _INNER_STAMP.sub(b"", text)
            carried = not piece.endswith(b"\n")
            if wanted:
                yield text

    def _command(self, run: _Run, *more: str) -> str | list[str]:
        before = ["--previous"] if run.before else []
        # Without a tail, kubectl gives only ten lines where pods are selected; here each is named, and this says so once more.
        tail = [] if any(one.startswith("--tail=") for one in more) else ["--tail=-1"]
        return self._cluster.kubectl(
            *("logs", f"pod/{self._pod}", f"--container={self._container}", "--timestamps", *before, *tail, *more)
        )


class Cluster:
    """The cluster of one source, and the pods that it means there."""

    def __init__(self, reach: Reach, described: Pods) -> None:
        """Asks nothing yet."""
        self._reach = reach
        self._described = described
        self._flags: list[str] | None = None
        self.seconds = reach.seconds

    def kubectl(self, *arguments: str) -> str | list[str]:
        """What runs kubectl with these arguments, at the declared cluster."""
        if self._flags is None:
            one = self._described
            named = {"kubeconfig": one.kubeconfig, "context": one.context}
            given = {name: value for name, value in named.items() if value}
            self._flags = [
                *(f"--{name}={value}" for name, value in given.items()),
                *self._reach.cluster(given),
                f"--namespace={one.namespace}",
            ]
        return self._reach.command("kubectl", *self._flags, *arguments)

    def logs(self) -> Iterator[tuple[PodLog | None, str, str]]:
        """The log of each container as (log, name, ""), or (None, name, reason) where there is none to read.

        Raises Unobservable when the pods cannot be listed. A container that was never started has written nothing.
        """
        one = self._described
        which = [f"pod/{one.pod}"] if one.pod else ["pods", f"--selector={one.selector}"]
        text = output_of(self.kubectl("get", *which, "--output=json"), self.seconds, limit=_LISTING)
        count = 0
        for pod in _pods(text):
            metadata, status = pod["metadata"], pod.get("status") or {}
            name, uid = str(metadata["name"]), str(metadata["uid"])
            for about in (each for kind in _STATUSES for each in status.get(kind) or ()):
                container = str(about["name"])
                runs = _runs(about)
                if (one.container and container != one.container) or not runs:
                    continue
                count += 1
                if count > CONTAINERS_LIMIT:
                    yield None, "", f"there are more than {CONTAINERS_LIMIT} containers"
                    return
                yield PodLog(self, name, uid, container, runs), f"{name}/{container}", ""
        if not count:
            yield None, "", "there is no pod with a container that was started"


def _pods(text: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(text)
        pods = found["items"] if found["kind"].endswith("List") else [found]
        for pod in pods:
            if not re.fullmatch(r"[\w-]+", pod["metadata"]["uid"]) or not pod["metadata"]["name"]:
                raise ValueError
            for kind in _STATUSES:
                for about in (pod.get("status") or {}).get(kind) or ():
                    _ = about["name"], _runs(about)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise Unobservable("what kubectl printed is no list of pods") from None
    return cast("list[dict[str, Any]]", pods)


def _runs(about: dict[str, Any]) -> tuple[_Run, ...]:
    """The runs of a container whose output the kubelet gives, the oldest first, from its status (core/v1 ContainerStatus)."""
    number = int(about.get("restartCount") or 0)
    present, earlier = about.get("state") or {}, (about.get("lastState") or {}).get("terminated")
    if present.get("running") is None and present.get("terminated") is None:
        # It waits to be started again, and what is given is the output of the run that ended.
        return (_Run(number, before=True),) if earlier is not None else ()
    return (*([_Run(number - 1, before=True)] if earlier is not None else []), _Run(number, before=False))


def _of_kubelet(line: bytes) -> str:
    """A line without a time is not the container's: the kubelet says so in the log's place that it cannot read it."""
    said = "".join(c if c.isprintable() else " " for c in line[:300].decode("utf-8", "replace"))
    return f"the kubelet says in its place: {said.strip()}"
