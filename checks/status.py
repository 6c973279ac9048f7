"""The status page: that it looks continuously, at everything that customers use, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.status_page import StatusPage

_LONGEST_WATCH_SECONDS = 30.0
_SHORTEST_PAUSE_SECONDS = 0.25
_FUTURE = timedelta(seconds=60)


@check(basis=OBSERVED)
def keeps_looking(
    status_page: StatusPage, clock: Clock, *, grace_intervals: float = 2.0
) -> Iterator[Finding | NotObserved]:
    """The status page's newest look is never older than its interval and the grace.

    Decides: whether the platform is being watched now, and goes on being watched.
    How: the page is read; if its newest look is fresh, it is read again until it has one that is newer by half an interval, and at
    the latest once the first would be too old (when that is within half a minute); by then it must have a newer one that is not too
    old itself. Ages are by the auditor's clock.
    Refuted by: a newest look that is older than the interval and `grace_intervals` more, at either reading; one from the future.
    Cannot see: whether what the page says of a component is true.
    References: ISO/IEC 27001:2022 A.8.16, SOC 2 A1.1.
    """
    interval = status_page.interval_seconds()
    limit = timedelta(seconds=interval * (1 + grace_intervals))
    expected = f"a look at most {limit.total_seconds():g} s old"
    report = status_page.report()
    age = clock.now() - report.updated
    if age < -_FUTURE:
        yield Finding(report.url, False, expected, f"its newest look is {-age.total_seconds():.1f} s in the future")
        return
    left = (limit - age).total_seconds()
    yield Finding(
        f"{report.url} now", left >= 0, expected, f"the newest look is {max(0.0, age.total_seconds()):.1f} s old"
    )
    if left < 0 or left > _LONGEST_WATCH_SECONDS:
        return
    end, waited = left + 0.2, 0.0
    later = report
    while later.updated - report.updated < timedelta(seconds=interval / 2) and waited < end:
        waited += clock.wait(min(max(interval / 2, _SHORTEST_PAUSE_SECONDS), end - waited))
        try:
            later = status_page.report()
        except Unobservable as error:
            yield NotObserved(f"{report.url} later", error.reason, expected)
            return
    age = clock.now() - later.updated
    yield Finding(
        f"{report.url} later",
        later.updated > report.updated and age <= limit,
        expected,
        f"after {waited:.1f} s more the newest look is {age.total_seconds():.1f} s old",
    )


@check(basis=OBSERVED)
def lists_every_public_component(status_page: StatusPage) -> Iterator[Finding]:
    """The status page lists every public endpoint as a component.

    Decides: whether anything that customers use goes unwatched.
    How: the hosts of the declared public endpoints are compared with the hosts of the page's components, and with their names
    where the target says under which name a host is shown.
    Refuted by: a public host that no component stands for.
    Cannot see: parts of the platform that have no public endpoint of their own.
    References: ISO/IEC 27001:2022 A.8.16.
    """
    report = status_page.report()
    hosts = {one.host.lower() for one in report.components if one.host}
    names = {one.name for one in report.components}
    for wanted in status_page.must_list():
        listed = wanted.host.lower() in hosts or (bool(wanted.name) and wanted.name in names)
        observed = "listed" if listed else f"missing: the components are {', '.join(sorted(names)) or 'none'}"
        yield Finding(wanted.host, listed, "a component of the status page", observed)


@check(basis=OBSERVED)
def samples_have_no_gap(
    status_page: StatusPage, clock: Clock, *, grace_intervals: float = 2.0, least_samples: int = 3
) -> Iterator[Finding | NotObserved]:
    """No two neighbouring looks that the status page keeps are further apart than its interval and the grace.

    Decides: whether the platform was watched without holes as far back as the page remembers.
    How: the instants of the kept samples are read and compared; a page that has just begun to watch is read again after a while.
    Refuted by: two neighbouring samples with more than the interval and `grace_intervals` more between them.
    Cannot see: what the page has forgotten, and samples that it made up.
    References: ISO/IEC 27001:2022 A.8.16.
    """
    interval = status_page.interval_seconds()
    limit = interval * (1 + grace_intervals)
    expected = f"at most {limit:g} s between two samples"
    report = status_page.report()
    subject = f"samples of {report.url}"
    if not status_page.keeps_samples():
        yield NotObserved(
            subject, "the target does not say where the page keeps its samples (status_page.samples)", expected
        )
        return
    missing = (least_samples - len(report.samples)) * interval
    if 0 < missing <= _LONGEST_WATCH_SECONDS:
        clock.wait(missing + interval / 2)
        report = status_page.report()
    gaps = [(after - before).total_seconds() for before, after in pairwise(report.samples)]
    if any(gap > limit for gap in gaps):
        holes = sum(gap > limit for gap in gaps)
        observed = f"{holes} of {len(gaps)} pauses are too long, the longest {max(gaps):.1f} s"
        yield Finding(subject, False, expected, observed)
    elif len(report.samples) < least_samples:
        yield NotObserved(
            subject, f"it has {len(report.samples)} samples, too few to show continuous watching", expected
        )
    else:
        yield Finding(subject, True, expected, f"{len(report.samples)} samples, the longest pause {max(gaps):.1f} s")
