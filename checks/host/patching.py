"""How the host's operating system is patched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.host import Host


@check(basis=INSPECTED)
def upgrades_run_unattended(host: Host, clock: Clock, *, within_days: float = 2.0) -> Iterator[Finding | NotObserved]:
    """Security upgrades are switched on to install themselves, and did run to their end in the last `within_days` days.

    Decides: whether the operating system's vulnerabilities are patched without anybody doing it.

    How: reads apt's settings in force (package lists renewed and upgrades installed every day, from an origin of security
    updates), and the log of unattended-upgrades, of which a run counts that ended without an error.

    Refuted by: lists or upgrades that are switched off or rarer than `within_days`, no origin of security updates, and no complete
    run within `within_days` of now.

    Cannot see: hosts without apt, whether services were restarted, and whether the kernel that runs is the one that is installed.

    References: NIST SP 800-40 Rev. 4; ISO/IEC 27001:2022 A.8.8.
    """
    now = clock.now()
    try:
        settings = host.upgrade_settings()
    except Unobservable as unobservable:
        yield NotObserved("settings of apt", unobservable.reason)
    else:
        for what, days in (
            ("renewal of package lists", settings.list_days),
            ("unattended upgrades", settings.upgrade_days),
        ):
            observed = f"every {days} days" if days > 1 else "every day" if days else "switched off"
            yield Finding(what, 0 < days <= within_days, f"at least every {within_days:g} days", observed)
        observed = f"{len(settings.origins)} origins" + ("" if settings.security_origin else ", none of them security")
        yield Finding("origins of upgrades", settings.security_origin, "security updates among them", observed)
    expected = f"a complete run within {within_days:g} days"
    try:
        runs = host.upgrade_runs()
    except Unobservable as unobservable:
        yield NotObserved("runs of unattended upgrades", unobservable.reason, expected)
        return
    late = runs.last_completed is None or now - runs.last_completed > timedelta(days=within_days)
    observed = f"{runs.completed} of {runs.runs} runs complete, the last {_days_ago(runs.last_completed, now)}"
    if runs.last_error:
        observed += f"; the newest run failed: {runs.last_error}"
    yield Finding("runs of unattended upgrades", not late, expected, observed)


@check(basis=INSPECTED)
def security_updates_are_installed_in_time(
    host: Host, clock: Clock, *, within_days: float = 7.0
) -> Iterator[Finding | NotObserved | LeftOut]:
    """No security update of the operating system has been waiting for longer than `within_days` days.

    Decides: whether the security updates that there are get installed.

    How: takes the updates that apt lists as not installed, and of those from a security archive the date under which the
    changelog of that version was signed. The list is worth something only while package lists are renewed, which
    `upgrades_run_unattended` decides.

    Refuted by: a security update that was published more than `within_days` ago and is not installed.

    Cannot see: packages from elsewhere than the distribution, and vulnerabilities for which there is no update.

    References: NIST SP 800-40 Rev. 4; CIS Controls v8 7.3.
    """
    now = clock.now()
    pending = host.pending_updates()
    expected = f"installed within {within_days:g} days"
    security = [update for update in pending.updates if update.security]
    for update in pending.updates:
        if not update.security:
            yield LeftOut(update, f"no security update: it comes from {update.suite}")
    if not security:
        yield Finding("security updates", True, expected, f"none is pending; {len(pending.updates)} others are")
    for update in security:
        if update.published is None:
            yield NotObserved(update, "no changelog tells when it was published", expected)
            continue
        waiting = now - update.published
        observed = (
            f"published {waiting.total_seconds() / 86400:.1f} days ago and pending; {update.installed} is installed"
        )
        yield Finding(update, waiting <= timedelta(days=within_days), expected, observed)


def _days_ago(moment: datetime | None, now: datetime) -> str:
    return "never" if moment is None else f"{(now - moment).total_seconds() / 86400:.1f} days ago"
