"""The border that no probe crosses: which hosts and ports may be contacted, and at which addresses."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from upheld.errors import OutOfScope, Refused, TimedOut
from upheld.target.model import Target

PLAIN_HTTP_PORT = 80
HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class _Place:
    name: str
    pinned: str | None


class Scope:
    """What the target declares. Names are resolved once in a run and stay pinned, so that they cannot move out of it."""

    def __init__(self, target: Target) -> None:
        self._seconds = target.timeout_seconds
        self._places: dict[tuple[str, int], _Place] = {}
        self._resolved: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()
        for endpoint in target.endpoints:
            self._places[fold(endpoint.host), endpoint.port] = _Place(endpoint.name, endpoint.address)
        for service in target.internal.services if target.internal else ():
            self._places[fold(service.host), service.port] = _Place(service.name, service.address)
        for described in (target.forge, target.advisories):
            if described is not None and (where := described.endpoint) is not None:
                self._places.setdefault((fold(where.host), where.port), _Place(where.name, where.address))
        for endpoint in target.endpoints:
            # A browser that is given only the name tries port 80 first, so that port belongs to a web endpoint at 443.
            if endpoint.public and endpoint.secure and endpoint.port == HTTPS_PORT:
                place = _Place(f"{endpoint.name}, plain HTTP", endpoint.address)
                self._places.setdefault((fold(endpoint.host), PLAIN_HTTP_PORT), place)

    def __contains__(self, place: object) -> bool:
        """Whether a (host, port) is declared."""
        if not (isinstance(place, tuple) and len(place) == 2):
            return False
        host, port = place
        return isinstance(host, str) and (fold(host), port) in self._places

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Every (host, port) that may be contacted."""
        return iter(self._places)

    def describe(self, host: str, port: int) -> str:
        """`name (host:port)` for a declared place, `host:port` for any other."""
        shown = f"[{host}]" if ":" in host else host
        place = self._places.get((fold(host), port))
        return f"{place.name} ({shown}:{port})" if place else f"{shown}:{port}"

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The IP addresses of a declared place; pinned, or as the name resolved the first time in this run.

        Raises OutOfScope when the target does not declare it, Refused when the name does not resolve, TimedOut when the
        resolver does not answer within the target's time limit.
        """
        place = self._places.get((fold(host), port))
        if place is None:
            raise OutOfScope(
                f"{self.describe(host, port)} is not an endpoint that the target declares; nothing was sent to it"
            )
        if place.pinned:
            return (place.pinned,)
        with self._lock:
            if fold(host) not in self._resolved:
                self._resolved[fold(host)] = self._resolve(fold(host), port)
            return self._resolved[fold(host)]

    def _resolve(self, host: str, port: int) -> tuple[str, ...]:
        try:
            return (str(ipaddress.ip_address(host)),)
        except ValueError:
            pass
        outcome: list[tuple[str, ...] | OSError] = []

        def ask() -> None:
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
                outcome.append(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
            except (OSError, UnicodeError) as error:
                outcome.append(error if isinstance(error, OSError) else OSError(str(error)))

        # The system's resolver has no time limit of its own that can be set, so it is asked beside.
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(self._seconds)
        if not outcome:
            raise TimedOut(f"the name {host} did not resolve within {self._seconds:g} s")
        answer = outcome[0]
        if isinstance(answer, OSError) or not answer:
            raise Refused(f"the name {host} does not resolve")
        return answer


def fold(host: str) -> str:
    """A host name as it is compared: lower case, without the root's final dot."""
    return host.lower().rstrip(".")
