"""Whether the target can be reached at all, tried a few times and told, so that a system that is down is not taken for a broken promise."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.dry_run.plan import looks_of
from upheld.errors import Unobservable
from upheld.probes.resting import DEPLOYMENT
from upheld.probes.scope import Scope

if TYPE_CHECKING:
    from upheld.catalogue import Check
    from upheld.target.endpoints import Endpoint
    from upheld.target.model import Target

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
CONNECT_SECONDS = 5.0
_THROUGH_ENDPOINTS = frozenset({"endpoints", "api", "staff", "status_page"})
"""Parts of the description that probes reach through the endpoints."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """An endpoint to which no connection came about."""

    endpoint: str
    attempts: int
    seconds: float
    reason: str

    def __str__(self) -> str:
        return f"{self.endpoint} was not reached in {self.attempts} attempts over {self.seconds:.1f} s: {self.reason}"


def live(one: Check) -> bool:
    """Whether a check may look at anything else than files."""
    names = looks_of(one)
    return any(
        kind.rests.get(name, DEPLOYMENT).outside
        for kind in one.probes.values()
        for name in names
        if getattr(getattr(kind, name, None), "__look__", False)
    )


def through_endpoints(one: Check) -> bool:
    """Whether a check looks at what the endpoints serve."""
    return any(_THROUGH_ENDPOINTS & set(kind.needs) for kind in one.probes.values())


def unreached(target: Target, scratch: Path, attempts: int = ATTEMPTS) -> tuple[Unreached, ...]:
    """The endpoints of the target to which no connection comes about, after so many attempts; nothing is sent to any."""
    scope = Scope(target, scratch)
    if not target.endpoints:
        return ()
    with ThreadPoolExecutor(min(16, len(target.endpoints))) as pool:
        found = pool.map(lambda one: _try(scope, one, attempts), target.endpoints)
    return tuple(one for one in found if one is not None)


def _try(scope: Scope, endpoint: Endpoint, attempts: int) -> Unreached | None:
    started, reason = time.monotonic(), ""
    for number in range(attempts):
        if number:
            time.sleep(PAUSE_SECONDS * number)
        try:
            addresses = scope.reach(f"the endpoint {endpoint.name}", endpoint.host, endpoint.port, endpoint.address)
            for address in addresses:
                with socket.create_connection((address, endpoint.port), CONNECT_SECONDS):
                    return None
        except Unobservable as error:
            reason = error.reason
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
    return Unreached(str(endpoint), attempts, time.monotonic() - started, reason or "it has no address")
