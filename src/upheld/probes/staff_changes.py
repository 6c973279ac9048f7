"""Accounts of staff that are changed while they have a session: what the session may do afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.account_changes import AccountChange, AccountChanges
from upheld.probes.api import Reply
from upheld.probes.base import Probe, Session, look
from upheld.probes.sending import AS_STAFF, CHANGES, Sending, staff
from upheld.probes.staff import Staff

if TYPE_CHECKING:
    from upheld.target.access import RoleChange


@dataclass(frozen=True, slots=True)
class Trial:
    """Whose account is changed, from which role to which, by whom, and the operation that only the first role may call."""

    identity: str
    role: str
    lower: str
    by: str
    operation: str


class StaffChanges(Probe):
    """A throw-away account of staff, its session, and somebody who may change it."""

    name: ClassVar[str] = "staff_changes"
    needs: ClassVar[tuple[str, ...]] = ("staff",)
    sends: ClassVar[Sending] = {
        "trial": AS_STAFF[:1],
        **dict.fromkeys(("begin", "use"), staff("{staff_operations} that read")),
        "change": (
            *staff("{staff_call:staff.role_change.change}, of {throwaway}", CHANGES),
            *staff("{staff_call:staff.role_change.disable}, of {throwaway}", CHANGES),
            *staff("{staff_call:staff.role_change.enable}, of {throwaway}", CHANGES),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._headers: dict[str, Mapping[str, str]] = {}
        self._ids: dict[str, str] = {}
        self._changes = AccountChanges(session.journal, "staff")

    @look
    def trial(self, others: tuple[str, ...] = ()) -> Trial:
        """Who can be tried: a throw-away account whose role may list the accounts, and a role that may not.

        Of several the one whose second factor this run has used least lately, for each of its codes counts once; one of `others`
        only where there is none else.
        """
        staff = self._staff
        operation = staff.listing.operation
        may = staff.staff.roles.get(operation, ())
        lower = next((one.role for one in staff.people() if one.role not in may), None)
        candidates = [one for one in staff.people() if one.throwaway and one.role in may]
        codes = staff.logins.codes
        subject = min(
            candidates,
            key=lambda one: (one.name in others, codes.last_used(staff.identity(one.name))),
            default=None,
        )
        if lower is None or subject is None:
            raise Unobservable(f"no throw-away identity of staff may call {operation}, or every role may")
        by = staff.also_able(self._described.change, (subject.name,))
        return Trial(subject.name, subject.role, lower, by.name, operation)

    @look
    def begin(self, identity: str) -> None:
        """Log the account in anew; its session is kept for `use`."""
        staff = self._staff
        who = staff.identity(identity)
        staff.logins.forget(who)
        self._headers[identity] = staff.logins.header(who, staff.client(""))
        self._ids[identity] = staff.account_id(identity)

    @look
    def use(self, identity: str, operation: str) -> Reply:
        """The answer to an operation with the session that was begun, whatever has become of it."""
        return self._staff.send(operation, identity=None, objects={}, headers=self._headers[identity])

    @look
    def change(self, trial: Trial, change: str, role: str = "") -> Reply:
        """Give the account a role (`change`), disable it (`disable`) or enable it again (`enable`)."""
        described = self._described
        operation = {"change": described.change, "disable": described.disable, "enable": described.enable}[change]
        if operation is None:
            raise Unobservable(f"the target names no operation that can {change} an account (staff.role_change)")
        objects = {described.kind: self._ids[trial.identity], "role": role}
        bodies = {
            "change": {described.property: role},
            "disable": described.disable_json,
            "enable": described.enable_json,
        }
        body = bodies[change]
        # Its own session may have ended by it: the next login is a fresh one.
        self._staff.logins.forget(self._staff.identity(trial.identity))
        one = AccountChange(trial.identity, change, trial.by, objects, role, trial.role)
        self._changes.before(one, described)
        reply = self._staff.send(operation, identity=trial.by, objects=objects, body=body)
        self._changes.after(one, worked=reply.worked)
        return reply

    @property
    def _staff(self) -> Staff:
        return cast("Staff", self.session.probe(Staff))

    @property
    def _described(self) -> RoleChange:
        described = self.target.staff.role_change if self.target.staff else None
        if described is None:
            raise Unobservable("the target does not say how an account of staff is changed (staff.role_change)")
        return described
