"""The staff probe: logs in to the console of the deployment's own people, factor by factor, and uses it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, ClassVar

from upheld.errors import Unobservable
from upheld.probes.api_answers import Reply
from upheld.probes.api_logins import account_of, at
from upheld.probes.api_requests import fill, kind_of
from upheld.probes.base import Probe, Session, look
from upheld.probes.openapi import Operation
from upheld.probes.sending import AS_STAFF, CHANGES, HTTP, WRITES, Sending, Sends, staff
from upheld.probes.staff_answers import (
    BreakGlassRequest,
    BreakGlassSteps,
    HandedOut,
    Performed,
    Privileged,
    StaffAccount,
    StaffLoginAttempt,
    StaffMember,
)
from upheld.probes.staff_calls import StaffCalls
from upheld.probes.staff_codes import Code
from upheld.probes.waiting import patient

__all__ = [
    "BreakGlassRequest",
    "BreakGlassSteps",
    "Code",
    "HandedOut",
    "Performed",
    "Privileged",
    "Staff",
    "StaffAccount",
    "StaffLoginAttempt",
    "StaffMember",
]


class Staff(StaffCalls, Probe):
    """The console that the target declares for the deployment's own people."""

    name: ClassVar[str] = "staff"
    needs: ClassVar[tuple[str, ...]] = ("staff",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("operations", "entrance", "kinds_of", "privileged", "able", "also_able", "unable", "people", "searches"),
            AS_STAFF[:1],
        ),
        "break_glass": AS_STAFF[:1],
        "accounts": staff("{staff_call:staff.accounts.operation}"),
        "account_id": staff("{staff_call:staff.me}"),
        "anonymous": (AS_STAFF[0], Sends(HTTP, "{staff_operations}, such that it changes nothing", most=1)),
        "first_factor": staff("{staff_operations} with what the first factor gives"),
        "without_second_factor": staff("{staff_operations} with the first factor only, such that it changes nothing"),
        "log_in": staff("{staff_call:staff.me}, with good and bad codes before", WRITES),
        "call": staff("{staff_operations}, validly", WRITES),
        **dict.fromkeys(("perform", "perform_refused"), staff("{staff_operations}, validly or refused", WRITES)),
        **dict.fromkeys(
            ("perform_login", "perform_bad_logins"), staff("{staff_call:staff.me}, after good and bad logins", WRITES)
        ),
        **dict.fromkeys(
            ("reset", "perform_reset", "perform_bad_reset"),
            staff(
                "{staff_call:staff.reset.request}, {staff_call:staff.reset.complete}, to the password that it was",
                CHANGES,
            ),
        ),
        "read": staff("{staff_call:staff.reading.operation}, with and without a reason"),
        "ask_for_break_glass": staff("{staff_call:staff.break_glass.request}", WRITES),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        Probe.__init__(self, session)
        StaffCalls.__init__(self, session)
        self._ids: dict[str, str] = {}

    def close(self) -> None:
        """Close every connection."""
        self.close_calls()

    # --- what there is ---------------------------------------------------------------------------------------------

    @look
    def operations(self) -> tuple[Operation, ...]:
        """Every operation of the console's OpenAPI document; raises Unobservable when it has none."""
        return self.listed_operations()

    @look
    def people(self) -> tuple[StaffMember, ...]:
        """Every identity of staff that may be used; raises Unobservable when there is none."""
        found = tuple(
            StaffMember(one.name, one.role, account_of(one), one.throwaway)
            for one in self.staff.identities
            if not one.disabled
        )
        if not found:
            raise Unobservable("the target names no staff identity (staff.identities)")
        return found

    @look
    def privileged(self) -> tuple[Privileged, ...]:
        """Every operation of which the audit log must tell, in the document's order; raises Unobservable for none."""
        actions = self.staff.actions
        found = tuple(self.as_privileged(one, actions[one.id]) for one in self.document.operations if one.id in actions)
        if not found:
            raise Unobservable("the target does not say which operations of the console are privileged (staff.actions)")
        if unknown := sorted(set(actions) - {one.operation for one in found}):
            raise Unobservable(f"the console's OpenAPI document has no operation {unknown[0]}")
        return found

    @look
    def break_glass(self) -> BreakGlassSteps:
        """The operations of emergency access; raises Unobservable when the target describes none."""
        one = self.emergency
        return BreakGlassSteps(one.request, one.approve, one.start, one.use or "", one.end, one.kind)

    @look
    def entrance(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The operations of the login's steps, and those of setting a password anew (none where the target describes that not)."""
        reset = self.staff.reset
        steps = tuple(one.operation for one in self.staff.login.steps)
        return steps, (reset.request, reset.complete) if reset else ()

    @look
    def listing_operation(self) -> str:
        """The operation that lists the accounts; raises Unobservable when the target does not say."""
        return self.listing.operation

    @look
    def account_kind(self) -> str:
        """How the API's parameters call an account."""
        return self.listing.kind

    @look
    def accounts(self, identity: str) -> tuple[StaffAccount, ...]:
        """Every account as the console lists it to `identity`; raises Unobservable when it lists none."""
        described = self.listing
        answer, _, reply = self.answer(described.operation, identity, {})
        if not reply.worked:
            raise Unobservable(f"{reply}: the accounts cannot be listed as {identity}")
        items = at(answer.json(), described.items)
        if not isinstance(items, list) or not items:
            raise Unobservable(f"{described.operation} lists no account at {described.items or 'the top'}")
        return tuple(
            StaffAccount(
                id=str(at(one, described.id)),
                account=str(at(one, described.account)),
                enrolled=bool(at(one, described.enrolled)),
                active=not (described.disabled and at(one, described.disabled)),
            )
            for one in items
        )

    @look
    def account_id(self, identity: str) -> str:
        """The identifier of an identity's account, as the console tells its holder."""
        if identity not in self._ids:
            self._ids[identity] = self._id_by(identity, self.authorization(identity))
        return self._ids[identity]

    @look
    def able(self, operation: str) -> StaffMember:
        """An identity whose role may call an operation, by the target's roles; raises Unobservable when there is none."""
        return self._able(operation, ())

    @look
    def also_able(self, operation: str, others: tuple[str, ...]) -> StaffMember:
        """As `able`, and none of `others`."""
        return self._able(operation, others)

    @look
    def unable(self, operation: str) -> StaffMember | None:
        """An identity whose role may not call an operation; None when every role may."""
        roles = self.staff.roles.get(operation, ())
        return next((one for one in self.people() if one.role not in roles and not one.throwaway), None)

    def _able(self, operation: str, others: tuple[str, ...]) -> StaffMember:
        roles = self.staff.roles.get(operation)
        if roles is None:
            raise Unobservable(f"the target does not say which roles may call {operation} (staff.roles)")
        for one in self.people():
            if one.role in roles and not one.throwaway and one.name not in others:
                return one
        raise Unobservable(f"the target has no {'other ' if others else ''}staff identity that may call {operation}")

    @look
    def searches(self) -> tuple[tuple[str, str], ...]:
        """The operations that search for a word, with the query's parameter: those whose recipe has `{search}` in the query."""
        return tuple(
            (operation, name)
            for operation, recipe in self.staff.api.operations.items()
            for name, value in recipe.query.items()
            if "{search}" in value
        )

    @look
    def kinds_of(self, operation: str) -> tuple[str, ...]:
        """Which kinds of object an operation's path names; empty texts for parameters that the target does not explain."""
        one = self.document.operation(operation)
        return tuple(kind_of(one.id, parameter.name, self.description) for parameter in one.path_parameters)

    @look
    def anonymous(self, operation: str) -> HandedOut:
        """The harmless call of an operation without any credential, and whether its answer opens the console."""
        request = self.harmless_requests(self.document.operation(operation), None)[0]()
        answer, _ = patient(lambda: self.send_now(request, self.client(""), {}), self.described.limited, operation)
        return self.handed_out(operation, "", answer)

    def _id_by(self, identity: str, headers: Mapping[str, str]) -> str:
        answer, _, reply = self.answer(self.staff.me, None, {}, headers=headers)
        if not reply.worked:
            raise Unobservable(f"{reply}: {identity} cannot be told")
        return str(at(answer.json(), self.staff.my_id))

    # --- getting in ------------------------------------------------------------------------------------------------

    @look
    def log_in(self, identity: str, code: Code) -> StaffLoginAttempt:
        """Log in anew with such a code as the second factor; the session is not kept. Limits are waited for."""
        login = self.logins.attempt(self.identity(identity), self.client(""), code)
        return StaffLoginAttempt(
            identity,
            code,
            login.answer.status,
            self.staff.login.steps[login.steps - 1].operation,
            accepted=bool(login.session) and self.opens(login.session),
        )

    @look
    def first_factor(self, identity: str) -> HandedOut:
        """Show the first factor only, and try whether anything in the answer opens the console."""
        login = self.show_first_factor(identity)
        return self.handed_out(self.staff.login.steps[0].operation, identity, login.answer)

    @look
    def without_second_factor(self, operation: str, identity: str | None = None) -> Reply:
        """The harmless call of an operation with what the first factor gives in place of a session, or (None) with nothing.

        `refused` says whether the answer is the one to whoever has no session.
        """
        request = self.harmless_requests(self.document.operation(operation), None)[0]()
        headers = self.first_proof(identity) if identity is not None else {}
        answer, waited = patient(
            lambda: self.send_now(request, self.client(""), headers), self.described.limited, operation
        )
        return self.reply(operation, identity or "", request, answer, waited)

    @look
    def is_unauthenticated(self, reply: Reply) -> bool:
        """Whether a reply is what the console answers to whoever has no session."""
        return self.staff.login.unauthenticated.match(reply.status, reply.text)

    @look
    def reset(self, identity: str, code: Code) -> HandedOut:
        """Set the password anew by a mailed link, to the one that it was, with such a code; try whether the answer opens the console."""
        described = self.resetting
        _, token = self.mailed_token(described, identity)
        answer = self.complete_reset(described, identity, token, code)
        return self.handed_out(described.complete, identity, answer)

    # --- using it --------------------------------------------------------------------------------------------------

    @look
    def call(
        self,
        operation: str,
        identity: str | None,
        objects: Mapping[str, str],
        *,
        replaced: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Reply:
        """Call an operation validly as `identity`, with the identifiers in `objects` by kind."""
        return self.send(operation, identity=identity, objects=objects, replaced=replaced, body=body)

    @look
    def read(self, identity: str, objects: Mapping[str, str], reason: str | None) -> Reply:
        """Read a customer's object with this reason; None leaves the reason out."""
        described = self.reading_described
        body = {} if reason is None else {described.reason: reason}
        return self.send(described.operation, identity=identity, objects=objects, body=body)

    @look
    def reasons(self) -> tuple[str, tuple[str, ...]]:
        """A reason that must do, and reasons that must not, as the target gives them."""
        return self.reading_described.good, self.reading_described.poor

    @look
    def reading(self) -> tuple[str, str]:
        """The operation that reads a customer's object, and the kind of object."""
        return self.reading_described.operation, self.reading_described.kind

    @look
    def ask_for_break_glass(self, identity: str, *, ticket: bool = True) -> BreakGlassRequest:
        """Ask for emergency access, with the ticket of the API's recipe or with null in its place."""
        described = self.emergency
        body = None if ticket else {described.ticket: None}
        answer, _, reply = self.answer(described.request, identity, {}, body=body)
        return BreakGlassRequest(reply, str(at(answer.json(), described.id)) if reply.worked else "")

    @look
    def perform(self, operation: str, identity: str, objects: Mapping[str, str]) -> Performed:
        """Call an operation as `identity`, a reading one with a good reason, with what the audit log must tell of it."""
        actor, reading, glass = self.account_id(identity), self.staff.reading, self.staff.break_glass
        body = {reading.reason: reading.good} if reading and operation == reading.operation else None
        answer, _, reply = self.answer(operation, identity, objects, body=body)
        asked = glass is not None and operation == glass.request and reply.worked
        made = str(at(answer.json(), glass.id)) if glass is not None and asked else ""
        return self.performed(operation, identity, actor, objects, reply.status, made)

    @look
    def perform_refused(self, operation: str, identity: str | None, objects: Mapping[str, str]) -> Performed:
        """Try an operation as somebody who may not (None: as nobody, harmlessly), with what the audit log must tell of it."""
        if identity is None:
            return self.performed(operation, "", "", {}, self.without_second_factor(operation).status)
        actor = self.account_id(identity)
        reply = self.send(operation, identity=identity, objects=objects)
        return self.performed(operation, identity, actor, objects, reply.status)

    @look
    def perform_login(self, identity: str) -> tuple[Performed, ...]:
        """Log in anew, and out again where the target says how, with what the audit log must tell of each step."""
        described = self.staff.login
        login = self.logins.attempt(self.identity(identity), self.client(""), Code.EARLIEST)
        if not login.session:
            raise Unobservable(f"{identity} cannot log in: answered {login.answer.status}")
        headers = self.logins.sent_as(login.session)
        account = self._ids[identity] = self._id_by(identity, headers)
        found = [
            self.performed(step.operation, identity, account, {}, status)
            for step, status in zip(described.steps, login.statuses, strict=True)
        ]
        if described.ends is not None:
            reply = self.send(described.ends, identity=None, objects={}, headers=headers)
            found.append(self.performed(described.ends, identity, account, {}, reply.status))
        return tuple(found)

    @look
    def perform_bad_logins(self, identity: str) -> tuple[Performed, ...]:
        """Try to log in with a made-up password, and with the right one and a made-up code."""
        who, steps = self.identity(identity), self.staff.login.steps
        account = self.account_id(identity)
        values = {**self.logins.values(who), **{name: secrets.token_urlsafe(16) for name in who.secrets}, "code": ""}
        bad = self.logins.send(steps[0].operation, fill(steps[0].json_body, values), self.client(""))
        login = self.logins.attempt(who, self.client(""), Code.WRONG)
        last = steps[login.steps - 1].operation
        return (
            self.performed(steps[0].operation, identity, account, {}, bad.status),
            self.performed(last, identity, account, {}, login.answer.status),
        )

    @look
    def perform_reset(self, identity: str) -> tuple[Performed, ...]:
        """Set the password anew, to the one that it was, with what the audit log must tell of each step."""
        described = self.resetting
        account = self.account_id(identity)
        status, token = self.mailed_token(described, identity)
        answer = self.complete_reset(described, identity, token, Code.EARLIEST)
        return (
            self.performed(described.request, identity, account, {}, status),
            self.performed(described.complete, identity, account, {}, answer.status),
        )

    @look
    def perform_bad_reset(self, identity: str) -> Performed:
        """Try to set a password with a made-up link."""
        described = self.resetting
        answer = self.complete_reset(described, identity, secrets.token_urlsafe(32), Code.WRONG)
        return self.performed(described.complete, "", "", {}, answer.status)
