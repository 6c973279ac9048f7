"""The charts of a run, each drawn only from what its checks recorded; what was not observed has no chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from upheld.model import CheckResult, Run
from upheld.reporting.charts.access import roles, tenants
from upheld.reporting.charts.ages import ages
from upheld.reporting.charts.coverage import backups, samples
from upheld.reporting.charts.defects import defects
from upheld.reporting.charts.parts import Chart, Numbers, Shade
from upheld.reporting.charts.spans import spans
from upheld.reporting.charts.transport import logs, versions

__all__ = ["OF_CHECKS", "Chart", "Numbers", "Shade", "charts"]

_SEARCHES = (
    "credentials.leave_no_plain_copy",
    "credentials.canaries_stay_out_of_logs",
    "credentials.session_tokens_stay_out_of_logs",
)
OF_CHECKS: tuple[tuple[Callable[[Sequence[CheckResult]], Chart | None], tuple[str, ...]], ...] = (
    (roles, ("access.roles_are_enforced",)),
    (tenants, ("tenancy.foreign_identifiers_are_refused",)),
    (versions, ("tls.refuses_old_versions", "tls.accepts_current_versions")),
    (ages, ("retention.nothing_is_older_than_its_period",)),
    (backups, ("backups.taken_in_every_interval", "backups.archive_is_whole")),
    (logs, _SEARCHES),
    (spans, _SEARCHES),
    (samples, ("status.samples_have_no_gap",)),
)
"""Each chart, and the checks whose recorded looks it is drawn from."""


def charts(run: Run) -> tuple[Chart, ...]:
    """The charts of `run`, those that have anything to show."""
    by_id: dict[str, list[CheckResult]] = {}
    for claim in run.claims:
        for check in claim.checks:
            by_id.setdefault(check.id, []).append(check)
    drawn = [draw([one for name in names for one in by_id.get(name, ())]) for draw, names in OF_CHECKS]
    return tuple(one for one in (*drawn, defects(run)) if one is not None)
