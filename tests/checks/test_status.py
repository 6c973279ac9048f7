"""The checks of a status page against real ones: fresh, stale, with holes, incomplete, and saying nothing."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from upheld.errors import Unobservable
from upheld.model import Finding, NotObserved
from upheld.probes.clock import Clock
from upheld.probes.status_page import StatusPage

from ..loopback import Page, Pki, endpoint, load_checks, server_context, web

checks = load_checks("status")
JSON = {"Content-Type": "application/json"}
INTERVAL = 0.4


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    return server_context(Pki(tmp_path).issue("www.rivet.example"))


def report(ages: list[float], components: list[tuple[str, str | None]]) -> dict[str, Any]:
    now = datetime.now(UTC)
    moments = [(now - timedelta(seconds=age)).isoformat() for age in ages]
    return {
        "page": {"updated_at": moments[-1] if moments else now.isoformat()},
        "components": [{"name": name, "host": host} for name, host in components],
        "samples": [{"at": moment} for moment in moments],
    }


def run(
    session_of: Callable[..., Any],
    context: ssl.SSLContext,
    check: str,
    ages: list[float],
    *,
    components: tuple[tuple[str, str | None], ...] = (("Website", "www.rivet.example"),),
    moving: bool = True,
    creeping: float = 0.0,
    **described: Any,
) -> list[Any]:
    fixed = report(ages, list(components))

    def answer(*_: Any) -> Page:
        shown = json.dumps(report(ages, list(components)) if moving else fixed).encode()
        newest = datetime.fromisoformat(fixed["page"]["updated_at"])
        fixed["page"]["updated_at"] = (newest + timedelta(seconds=creeping)).isoformat()
        return 200, JSON, shown

    with web(answer, context) as port:
        session = session_of(
            endpoints=[endpoint("www", port)],
            ca="ca.pem",
            status_page={
                "url": f"https://www.rivet.example:{port}/status.json",
                "updated": "/page/updated_at",
                "interval_seconds": INTERVAL,
                "host": "/host",
                "samples": "/samples",
                **described,
            },
        )
        probes = [session.probe(StatusPage)]
        if check != "lists_every_public_component":
            probes.append(session.probe(Clock))
        with session.recording("t"):
            return list(getattr(checks, check)(*probes))


def outcomes(found: list[Any]) -> list[bool | str]:
    return [one.passed if isinstance(one, Finding) else one.reason for one in found]


def test_a_page_that_goes_on_looking(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    assert outcomes(run(session_of, context, "keeps_looking", [0.0])) == [True, True]


def test_a_page_that_has_stopped_looking(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    assert outcomes(run(session_of, context, "keeps_looking", [60.0])) == [False]
    assert outcomes(run(session_of, context, "keeps_looking", [0.0], moving=False)) == [True, False]
    assert outcomes(run(session_of, context, "keeps_looking", [-3600.0])) == [False]


def test_a_newer_look_that_is_too_old_as_well_is_refuted(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    assert outcomes(run(session_of, context, "keeps_looking", [0.0], moving=False, creeping=0.01)) == [True, False]


def test_a_page_that_looks_seldom_is_not_waited_for(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    assert outcomes(run(session_of, context, "keeps_looking", [0.0], interval_seconds=11)) == [True]


def test_samples(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    for ages, expected in (
        ([1.2, 0.8, 0.4, 0.0], [True]),
        ([9.0, 8.6, 0.4, 0.0], [False]),
        ([0.0], ["it has 1 samples, too few to show continuous watching"]),
    ):
        assert outcomes(run(session_of, context, "samples_have_no_gap", ages)) == expected


def test_a_page_without_samples_shows_no_continuity(session_of: Callable[..., Any], context: ssl.SSLContext) -> None:
    (found,) = run(session_of, context, "samples_have_no_gap", [0.0], samples=None)
    assert isinstance(found, NotObserved)


def test_every_public_host_is_listed_by_host_or_by_name(
    session_of: Callable[..., Any], context: ssl.SSLContext
) -> None:
    check = "lists_every_public_component"
    assert outcomes(run(session_of, context, check, [0.0])) == [True]
    assert outcomes(run(session_of, context, check, [0.0], components=(("Website", None),))) == [False]
    names = {"www.rivet.example": "Website"}
    assert outcomes(run(session_of, context, check, [0.0], components=(("Website", None),), names=names)) == [True]
    assert outcomes(run(session_of, context, check, [0.0], components=(), names=names)) == [False]


@pytest.mark.parametrize(
    "answer",
    [
        (200, JSON, b""),
        (200, JSON, b"{}"),
        (429, {}, b""),
        (500, {}, b""),
        (200, JSON, b'{"page": {"updated_at": "yesterday"}, "components": []}'),
        (200, JSON, b'{"page": {"updated_at": "2026-01-01T00:00:00"}, "components": [], "samples": []}'),
    ],
)
@pytest.mark.parametrize("check", ["keeps_looking", "lists_every_public_component", "samples_have_no_gap"])
def test_nothing_said_passes_nothing(
    session_of: Callable[..., Any], context: ssl.SSLContext, check: str, answer: Page
) -> None:
    with web(lambda *_: answer, context) as port:
        url = f"https://www.rivet.example:{port}/s"
        page = {"url": url, "updated": "/page/updated_at", "interval_seconds": 1, "samples": "/samples"}
        session = session_of(endpoints=[endpoint("www", port)], ca="ca.pem", status_page=page)
        probes = [session.probe(StatusPage)]
        if check != "lists_every_public_component":
            probes.append(session.probe(Clock))
        with pytest.raises(Unobservable):
            list(getattr(checks, check)(*probes))
