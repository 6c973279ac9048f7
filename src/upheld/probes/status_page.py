"""The status page in its machine-readable form: when it last looked, at which components, and at which instants before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.api_logins import at
from upheld.probes.base import Probe, look
from upheld.probes.http import Http
from upheld.probes.sending import HTTP, Sending, Sends
from upheld.target.network import StatusPage as Description

SAMPLES_LIMIT = 20_000
"""Samples that a report may have."""


@dataclass(frozen=True, slots=True)
class Component:
    """What the page shows as one part of the platform; `host` is empty where it names none."""

    name: str
    host: str


@dataclass(frozen=True, slots=True)
class StatusReport:
    """What the page said: when it last looked, its components, and the instants of the looks that it keeps, oldest first."""

    url: str
    updated: datetime
    components: tuple[Component, ...]
    samples: tuple[datetime, ...]


class StatusPage(Probe):
    """The status page that the target declares."""

    name: ClassVar[str] = "status_page"
    needs: ClassVar[tuple[str, ...]] = ("status_page",)
    sends: ClassVar[Sending] = {"report": (Sends(HTTP, "GET {status_page.url}", most=3),)}

    @look
    def report(self) -> StatusReport:
        """What the page says now; raises Unobservable when it does not answer 200 with JSON in the declared form."""
        described = self._described
        answer = cast("Http", self.session.probe(Http)).get(described.url)
        if answer.status != 200:
            raise Unobservable(f"the status page {answer.url} answered {answer.status}")
        data = answer.json()
        components = at(data, described.components)
        if not isinstance(components, list):
            raise Unobservable(f"the status page {answer.url} has no list at {described.components}")
        samples: list[Any] = []
        if described.samples is not None:
            samples = at(data, described.samples)
            if not isinstance(samples, list) or len(samples) > SAMPLES_LIMIT:
                raise Unobservable(f"the status page {answer.url} has no list of bounded length at {described.samples}")
        return StatusReport(
            answer.url,
            _instant(at(data, described.updated)),
            tuple(
                Component(
                    str(at(one, described.name)),
                    str(at(one, described.host) or "") if described.host else "",
                )
                for one in components
            ),
            tuple(sorted(_instant(at(one, described.at)) for one in samples)),
        )

    @look
    def interval_seconds(self) -> float:
        """How often the page is said to look."""
        return self._described.interval_seconds

    @look
    def keeps_samples(self) -> bool:
        """Whether the target says where the page keeps its earlier looks."""
        return self._described.samples is not None

    @look
    def must_list(self) -> tuple[Component, ...]:
        """Every host of a public endpoint, with the name that the page shows it under where the target gives one."""
        hosts = dict.fromkeys(one.host for one in self.target.endpoints if one.public)
        if not hosts:
            raise Unobservable("the target describes no public endpoints, so nothing says what the page must list")
        return tuple(Component(self._described.names.get(host, ""), host) for host in hosts)

    @property
    def _described(self) -> Description:
        if self.target.status_page is None:
            raise Unobservable("the target describes no status page")
        return self.target.status_page


def _instant(value: object) -> datetime:
    """An RFC 3339 time with its zone; raises Unobservable for anything else."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Unobservable(f"the status page gives {str(value)[:60]!r} for a time") from None
    if moment.tzinfo is None:
        raise Unobservable(f"the status page gives the time {value} without a zone")
    return moment
