"""The crosswalk: which claims of a run refer to which point of a framework, and the worst status among them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from upheld.model import ClaimResult, Run, Status

MOST_CLAIMS = 40
"""Claims of one point that are listed; the others are counted."""

TITLES = {"soc2": "SOC 2", "iso27001": "ISO 27001", "popia": "POPIA", "gdpr": "GDPR"}
"""The frameworks' names as people write them, by their names in a policy."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a framework, with the claims that refer to it, the worst first."""

    name: str
    status: Status
    claims: tuple[ClaimResult, ...]

    @property
    def listed(self) -> tuple[ClaimResult, ...]:
        """Those of them that a page lists."""
        return self.claims[:MOST_CLAIMS]

    @property
    def more(self) -> int:
        """How many it does not list."""
        return max(0, len(self.claims) - MOST_CLAIMS)


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework, with those of its points that any claim refers to."""

    title: str
    points: tuple[Point, ...]


def title(name: str) -> str:
    """What people call the framework that a policy calls `name`."""
    return TITLES.get(name, name)


def crosswalk(run: Run) -> tuple[Framework, ...]:
    """The frameworks that the claims of `run` refer to, each with its points in their natural order."""
    by_name: dict[str, dict[str, list[ClaimResult]]] = {}
    for claim in run.claims:
        for name, points in claim.references.items():
            for point in points:
                by_name.setdefault(name, {}).setdefault(point, []).append(claim)
    return tuple(
        Framework(title(name), tuple(_point(point, points[point]) for point in sorted(points, key=_natural)))
        for name, points in by_name.items()
    )


def _point(name: str, claims: list[ClaimResult]) -> Point:
    worst = tuple(sorted(claims, key=lambda claim: -claim.status.rank))
    return Point(name, worst[0].status, worst)


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """A key that puts A.8.9 before A.8.24."""
    parts = re.findall(r"[0-9]{1,9}|[^0-9]+", name)
    return [(True, int(part), "") if "0" <= part[0] <= "9" else (False, 0, part) for part in parts]
