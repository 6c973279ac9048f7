"""Roles that are not looked at where they should be."""

from __future__ import annotations

from fastapi import Request

from upheld_reference.api import roles, session
from upheld_reference.api.session import Caller
from upheld_reference.api.sessions import Holder
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_CLAIM = "rbac"


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "deleteContact",
        "deleteWebhook",
        "to viewer, who may not",
    ),
)
def viewer_may_delete(platform: Platform) -> None:
    """A viewer may delete whatever an administrator may delete."""
    right = session.role_allows

    def role_allows(caller: Caller, operation: str) -> bool:
        return right(caller, operation) or (caller.role == "viewer" and operation.startswith("delete"))

    platform.replace(session, "role_allows", role_allows)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "updateTemplate",
        "to viewer, who may not",
    ),
)
def one_operation_without_role_check(platform: Platform) -> None:
    """Changing a template (updateTemplate) asks for no role: whoever is a member may."""
    right = session.role_allows

    def role_allows(caller: Caller, operation: str) -> bool:
        return operation == "updateTemplate" or right(caller, operation)

    platform.replace(session, "role_allows", role_allows)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "owner claimed in header X-Role",
        "as if the claimed role were theirs",
    ),
)
def role_taken_from_request(platform: Platform) -> None:
    """The role that counts is the one in the header X-Role, where a request has one."""
    right = session.effective_role

    def effective_role(request: Request, holder: Holder) -> str:
        claimed = request.headers.get("x-role", "")
        return claimed if claimed in roles.RANKS else right(request, holder)

    platform.replace(session, "effective_role", effective_role)


@sabotage(
    breaks=(_CLAIM,),
    shows=(
        "in globex",
        "to agent, who may not",
    ),
)
def role_check_in_one_workspace_only(platform: Platform) -> None:
    """Roles are looked at only in workspaces on the business plan; in the others every member may do everything."""
    right = session.role_allows

    def role_allows(caller: Caller, operation: str) -> bool:
        return caller.plan != "business" or right(caller, operation)

    platform.replace(session, "role_allows", role_allows)
