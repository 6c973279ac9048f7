"""What a container wrote to its standard output and error, as Docker or Podman keeps it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from upheld.errors import Unobservable
from upheld.probes.log_commands import OneAfterAnother, output_of, shown, streamed
from upheld.probes.log_places import Reach, in_whole_seconds, last_stamp, left, moment, next_stamp, stamp_of

if TYPE_CHECKING:
    from upheld.target.logs import Container

_LONGEST = 16 << 20
_DESCRIPTION = 4 << 20


class ContainerLog:
    """The output of one container. It outlives restarts, and not the container, whose name another one may have taken since."""

    def __init__(self, reach: Reach, described: Container, *, local: bool) -> None:
        """Reads nothing yet; `local`: the engine is this machine's."""
        self._reach = reach
        self._described = described
        self._local = local
        self.name = f"output of {described.container}"
        self.gaps: list[str] = []

    def end(self) -> str:
        """The container's identifier, and the time of the last line, as the engine has it; empty where there is none."""
        text = output_of(self._logs("--timestamps", "--tail=1"), self._reach.seconds, limit=_LONGEST, both=True)
        stamp = last_stamp(text)
        if stamp is None:
            raise Unobservable(f"the engine gives no time of its last line: {shown(text.decode('utf-8', 'replace'))}")
        if stamp and in_whole_seconds(stamp):
            # Whatever bears it too was written before the mark, for the engine's clock is past it now; Podman's is such an engine to Docker's client.
            time.sleep(1.0)
        return f"{self._identifier} {stamp}"

    def kept_from(self) -> datetime | None:
        """When the container was made, where the engine drops nothing of its output; else the time of the oldest line that it has."""
        with streamed(self._logs("--timestamps"), self._reach.seconds, both=True) as stream:
            line = stream.readline(1 << 16)
            stamp = stamp_of(line)
            if not stamp:
                while stream.read(1 << 16):  # It is no log, but what the program has to say: hear how it ends.
                    pass
        if not stamp:
            return None
        # Where an engine tells whole seconds only, something older may be gone that bore the same one.
        oldest = moment(stamp) + timedelta(seconds=in_whole_seconds(stamp))
        return min(oldest, self._made) if self._keeps_all else oldest

    def time_of(self, place: str) -> datetime | None:
        """The time of a line, or where the engine tells whole seconds only the end of its second."""
        stamp = place.partition(" ")[2]
        return moment(stamp) + timedelta(seconds=in_whole_seconds(stamp)) if stamp else None

    def lost(self, place: str) -> str:
        """Whether it is another container by now, with the output of the earlier one gone."""
        if place.partition(" ")[0] != self._identifier:
            return "another container has its name since, and what the earlier one wrote is not kept"
        return ""

    @contextmanager
    def opened(self, after: str | datetime | None, seconds: float) -> Iterator[IO[bytes]]:
        """What it wrote since. No times are asked for: in a very long line they would stand in the middle of its words."""
        since = ""
        if isinstance(after, datetime):
            since = f"--since={after.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        elif after and after.partition(" ")[0] == self._identifier and (stamp := after.partition(" ")[2]):
            since = f"--since={next_stamp(stamp)}"
        if self._settings.get("mode") == "non-blocking":
            self.gaps.append("its log driver leaves out what comes too fast (mode: non-blocking)")
        # Engines keep long lines in pieces, and give them back with what the other stream said in between: each stream is read alone.
        deadline = time.monotonic() + seconds
        ways = (
            streamed(self._logs(*([since] if since else [])), left(deadline), errors=errors) for errors in (True, False)
        )
        with OneAfterAnother(ways) as stream:
            yield stream

    @cached_property
    def _about(self) -> dict[str, Any]:
        """What the engine says of the container."""
        text = output_of(
            self._command("container", "inspect", self._described.container), self._reach.seconds, limit=_DESCRIPTION
        )
        try:
            (about,) = json.loads(text)
            if isinstance(about, dict) and re.fullmatch(r"\w+", about.get("Id", "")):
                return about
        except (ValueError, RecursionError, TypeError):
            pass
        raise Unobservable("what the engine says of the container is no description of one")

    @property
    def _identifier(self) -> str:
        return str(self._about["Id"])

    @property
    def _made(self) -> datetime:
        try:
            return moment(str(self._about["Created"]))
        except (LookupError, ValueError):
            return datetime.max.replace(tzinfo=UTC)

    @property
    def _driver(self) -> dict[str, Any]:
        settings = self._about.get("HostConfig")
        driver = settings.get("LogConfig") if isinstance(settings, dict) else None
        return driver if isinstance(driver, dict) else {}

    @property
    def _settings(self) -> dict[str, Any]:
        settings = self._driver.get("Config")
        return settings if isinstance(settings, dict) else {}

    @property
    def _keeps_all(self) -> bool:
        """Whether the driver's file grows without a limit: Docker's json-file does, unless it was given one.

        Podman calls a driver of its own by that name, and has a limit elsewhere; it is told by the name of the file.
        """
        of_docker = str(self._about.get("LogPath")).endswith(f"{self._identifier}-json.log")
        return of_docker and self._driver.get("Type") == "json-file" and "max-size" not in self._settings

    def _logs(self, *more: str) -> str | list[str]:
        return self._command("logs", *more, self._described.container)

    def _command(self, *arguments: str) -> str | list[str]:
        # On this machine the variables are taken away already.
        away = ["env", *(f"--unset={name}" for name in ("DOCKER_HOST", "CONTAINER_HOST", "CONTAINER_CONNECTION"))]
        away = [] if self._local else [*away, "DOCKER_CONTEXT=default"]
        return self._reach.command(*away, "podman" if self._described.podman else "docker", *arguments)
