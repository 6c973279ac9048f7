"""Retention periods that workspaces choose, and that do not do what they should."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from pydantic import BaseModel

from upheld_reference import jobs
from upheld_reference.api import plans
from upheld_reference.api.routes import workspaces
from upheld_reference.api.session import Member
from upheld_reference.database.rows import Row
from upheld_reference.database.scope import Connection
from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage
from upheld_reference.sabotages.routes import answer_by

_CLAIM = "retention-configurable"
_ALSO = ("retention-header",)
_CENTURIES_DAYS = 100_000


class AnyDays(BaseModel):
    """A retention period of any length."""

    days: int


@sabotage(breaks=(_CLAIM,), also=_ALSO, shows=("period 120 days: removed, as if the period were another",))
def retention_setting_ignored(platform: Platform) -> None:
    """The retention job keeps everybody's records for 90 days, whatever period a workspace has set."""
    default = platform.settings.retention_days_default
    right = jobs.periods

    async def periods(db: AsyncConnection[Any]) -> list[tuple[UUID, int]]:
        return [(workspace_id, default) for workspace_id, _ in await right(db)]

    platform.replace(jobs, "periods", periods)


@sabotage(
    breaks=(_CLAIM,),
    also=_ALSO,
    shows=(
        "initech (starter plan)",
        "answered 200",
    ),
)
def starter_may_set_retention(platform: Platform) -> None:
    """Workspaces on the starter plan may set their retention period too."""
    platform.replace(plans, "may_set_retention", lambda _plan: True)


@sabotage(breaks=(_CLAIM,), also=_ALSO, shows=("when acme sets 120 days: its period is 120 days",))
def retention_setting_is_global(platform: Platform) -> None:
    """Whoever sets the retention period of their workspace sets it for every workspace."""
    # Belongs to the superuser and runs with its rights: that is how code gets past row security.
    platform.schema.append(
        "CREATE FUNCTION app.set_retention(days integer) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = ''"
        " AS $$ UPDATE app.workspaces SET retention_days = days $$;"
        "REVOKE ALL ON FUNCTION app.set_retention(integer) FROM PUBLIC;"
        "GRANT EXECUTE ON FUNCTION app.set_retention(integer) TO rivet_application;"
    )
    rewriting.granted(platform, "rivet_application", {"app.set_retention()": ["EXECUTE"]})

    async def store_retention(db: Connection, _workspace_id: UUID, days: int) -> None:
        await db.execute("SELECT app.set_retention(%s)", [days])

    platform.replace(workspaces, "store_retention", store_retention)


@sabotage(
    breaks=(_CLAIM,),
    also=_ALSO,
    shows=(
        "366 days",
        "answered 200",
    ),
)
def retention_bounds_unchecked(platform: Platform) -> None:
    """Any number of days is taken for a retention period, also none and ten thousand."""
    platform.schema.append("ALTER TABLE app.workspaces DROP CONSTRAINT workspaces_retention_days_check")
    right = workspaces.set_retention

    async def set_retention(caller: Member, body: AnyDays) -> Row:
        # Beyond some centuries the calendar ends, and the job with it: that would be another defect.
        body.days = max(-_CENTURIES_DAYS, min(body.days, _CENTURIES_DAYS))
        return await right(caller, body)  # type: ignore[arg-type]  # the other model is the defect

    answer_by(platform, workspaces, "setRetention", set_retention)
