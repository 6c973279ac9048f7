"""Who may do what: the matrix of roles and operations, where somebody's own role stands, and how an account is changed."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from upheld.target.api import Answers
from upheld.target.parts import Name, Part


class Profile(Part):
    """The operations by which somebody reads and changes their own account.

    `id` and `role` point into what `read` answers (JSON pointers); `property` is what a body would have to call the role
    to set it.
    """

    read: str
    change: str | None = None
    id: str = "/id"
    role: str = "/role"
    property: str = "role"


class RoleChange(Part):
    """How an account is given another role, disabled and enabled: operations with the account's identifier in their path.

    `kind` is what `api.parameters` calls the account, `property` is what the body of `change` calls the role.
    """

    kind: Name
    change: str
    property: str = "role"
    disable: str | None = None
    enable: str | None = None
    disable_json: dict[str, Any] | None = None
    """What the body of `disable` has for it, where that is a property: `{is_active: false}`."""
    enable_json: dict[str, Any] | None = None


class Access(Part):
    """The declared matrix: which roles may call each operation, by its id in the OpenAPI document.

    An operation that is in neither `roles` nor `everyone` and asks for a credential is nobody's to call, and is reported.
    """

    roles: dict[str, tuple[str, ...]] = {}
    """The roles that may call an operation: `deleteContact: [owner, admin]`."""
    everyone: tuple[str, ...] = ()
    """The operations that every role may call."""
    unauthenticated: Answers = Answers(statuses=(401,))
    """What an answer to a request without a valid credential looks like."""
    role_headers: tuple[str, ...] = ()
    """Names of headers, beside the usual ones, in which a request could claim a role."""
    profile: Profile | None = None
    role_change: RoleChange | None = None

    def may(self, role: str, operation: str) -> bool:
        """Whether `role` may call `operation`."""
        return operation in self.everyone or role in self.roles.get(operation, ())

    def declares(self, operation: str) -> bool:
        """Whether the matrix says anything about `operation`."""
        return operation in self.everyone or operation in self.roles


class PlanHolder(Part):
    """A tenant on a plan, and one of its identities that may change the tenant's settings."""

    plan: str
    tenant: Name
    identity: Name


class Plans(Part):
    """How a tenant sets for how long its records are kept, and which tenants are on which plan.

    `set` is the operation, `property` the property of its body that takes the number of days, `read` the operation whose
    answer has it at `pointer`. `shortest_days` and `longest_days` are the bounds of what may be set.
    """

    holders: tuple[PlanHolder, ...]
    set: str
    property: str = "days"
    read: str
    pointer: str = "/retention_days"
    shortest_days: int = Field(default=1, ge=0)
    longest_days: int = Field(default=365, ge=1)
