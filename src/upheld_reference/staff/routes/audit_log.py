"""The audit log, for the security team."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from upheld_reference.api import errors
from upheld_reference.api.routes import DEFAULT_LIMIT, Limit
from upheld_reference.audit import anchors, chain
from upheld_reference.audit.models import AuditEntry
from upheld_reference.staff import acting, models
from upheld_reference.staff.acting import PrivilegedRoute, Staff

router = APIRouter(prefix="/v1/audit-log", responses=errors.RESPONSES, route_class=PrivilegedRoute)

_PAGE = """
    SELECT sequence, at, actor, action, target, workspace_id, outcome, reason, details, previous, digest
    FROM audit.entries WHERE sequence > %s ORDER BY sequence LIMIT %s
"""


@router.get("", operation_id="listAuditEntries", response_model=list[AuditEntry])
async def list_audit_entries(
    caller: Staff,  # noqa: ARG001
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**62, description="The sequence after which to begin")] = 0,
    limit: Limit = DEFAULT_LIMIT,
) -> list[dict[str, Any]]:
    """The entries of the audit log, oldest first, each as its digest covers it."""
    async with acting.act(request, "audit_log:entries", details={"after": after}) as doing:
        rows = await (await doing.db.execute(_PAGE, [after, limit])).fetchall()
        return [chain.document(row) for row in rows]


@router.get("/verification", operation_id="verifyAuditLog", response_model=models.Verification)
async def verify_audit_log(caller: Staff, request: Request) -> dict[str, Any]:
    """Whether the whole log is what it was: its chain of digests, and those that were noted outside the database."""
    async with acting.act(request, "audit_log:entries") as doing:
        rows = await (await doing.db.execute(chain.SELECT)).fetchall()
        noted = anchors.read(caller.console.anchors)
        # An entry may be noted after the rows were read.
        noted = {sequence: digest for sequence, digest in noted.items() if not rows or sequence <= rows[-1]["sequence"]}
        breaks = chain.verify_chain(rows, noted)
        doing.details |= {"entries": len(rows), "breaks": len(breaks)}
    return {
        "holds": not breaks,
        "entries": len(rows),
        "anchors": len(noted),
        "breaks": [{"sequence": found.sequence, "problem": found.problem} for found in breaks],
    }
