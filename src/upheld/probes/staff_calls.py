"""What stands under the looks of the staff probe: the console's API, the sessions of staff, and links that come by mail."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from email import message_from_bytes, policy
from pathlib import Path
from typing import TYPE_CHECKING, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.api_calls import ApiCalls
from upheld.probes.api_logins import account_of
from upheld.probes.api_requests import fill, kind_of
from upheld.probes.openapi import Operation
from upheld.probes.staff_answers import HandedOut, Performed, Privileged
from upheld.probes.staff_codes import Code
from upheld.probes.staff_logins import Login, StaffLogins, secrets_in, with_code
from upheld.target.staff import StaffIdentity

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer
    from upheld.target.api import Api as ApiDescription
    from upheld.target.staff import BreakGlass, Reading, Reset, StaffAccounts
    from upheld.target.staff import Staff as Description

MAIL_SECONDS = 10.0
"""How long a message is waited for."""
PROOF_SECONDS = 30.0
"""How long what the first factor handed out is shown before it is asked for anew."""
MAIL_BYTES = 256 * 1024
"""Bytes of a message that are read."""


class StaffCalls(ApiCalls[StaffIdentity]):
    """The console's API as the target's `staff` describes it. It records nothing."""

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._logins: StaffLogins | None = None
        self._proofs: dict[str, tuple[float, dict[str, str]]] = {}

    @property
    def staff(self) -> Description:
        """The target's description of the console; raises Unobservable when there is none."""
        if self.session.target.staff is None:
            raise Unobservable("the target describes no staff")
        return self.session.target.staff

    @property
    def description(self) -> ApiDescription:
        """The target's description of the console's API."""
        return self.staff.api

    @property
    def logins(self) -> StaffLogins:
        """The sessions of staff."""
        if self._logins is None:
            self._logins = StaffLogins(self.session, self.staff, self.endpoint, self.document)
        return self._logins

    @property
    def credentials(self) -> StaffLogins:
        """The sessions of staff."""
        return self.logins

    @property
    def search_word(self) -> str:
        """The word that the canaries planted in the customers' API share."""
        return self._customers.search_word if self.session.target.api is not None else f"upheld{secrets.token_hex(4)}"

    def identity(self, name: str) -> StaffIdentity:
        """The staff identity of that name; raises Unobservable when the target has none."""
        for one in self.staff.identities:
            if one.name == name:
                return one
        raise Unobservable(f"the target has no staff identity {name}")

    def own(self, identity: StaffIdentity) -> dict[str, str]:
        """What fills the placeholders of an identity's requests, apart from secrets."""
        return dict(identity.values)

    def canaries_in(self, text: str) -> tuple[str, ...]:
        """The labels of the canaries, planted in the customers' API, that a text holds."""
        return self._customers.canaries_in(text)

    @property
    def _customers(self) -> Api:
        return cast("Api", self.session.probe(Api))

    @property
    def listing(self) -> StaffAccounts:
        """How accounts are listed; raises Unobservable when the target does not say."""
        if self.staff.accounts is None:
            raise Unobservable("the target does not say how the console lists accounts (staff.accounts)")
        return self.staff.accounts

    @property
    def reading_described(self) -> Reading:
        """How staff reads what customers wrote; raises Unobservable when the target does not say."""
        if self.staff.reading is None:
            raise Unobservable("the target does not say how staff reads what customers wrote (staff.reading)")
        return self.staff.reading

    @property
    def emergency(self) -> BreakGlass:
        """How emergency access goes; raises Unobservable when the target does not say."""
        if self.staff.break_glass is None:
            raise Unobservable("the target does not describe emergency access (staff.break_glass)")
        return self.staff.break_glass

    @property
    def resetting(self) -> Reset:
        """How a password is set anew; raises Unobservable when the target does not say."""
        if self.staff.reset is None:
            raise Unobservable("the target does not say how a password of staff is set anew (staff.reset)")
        return self.staff.reset

    def as_privileged(self, one: Operation, action: str) -> Privileged:
        """What the target says of a privileged operation."""
        staff = self.staff
        parts = {step.operation: "login" for step in staff.login.steps}
        if staff.login.ends:
            parts[staff.login.ends] = "log out"
        if staff.reset:
            parts |= {staff.reset.request: "reset", staff.reset.complete: "reset"}
        if staff.break_glass:
            glass = staff.break_glass
            parts |= {
                name: "break-glass"
                for name in (glass.request, glass.approve, glass.start, glass.use, glass.end)
                if name is not None
            }
        kinds = tuple(kind_of(one.id, parameter.name, staff.api) for parameter in one.path_parameters)
        return Privileged(
            one.id, action, staff.roles.get(one.id, ()), parts.get(one.id, ""), tuple(k for k in kinds if k), one.public
        )

    def performed(
        self, operation: str, identity: str, account: str, objects: Mapping[str, str], status: int, made: str = ""
    ) -> Performed:
        """What the audit log must tell of an operation that answered `status`."""
        action = self.staff.actions.get(operation)
        if action is None:
            raise Unobservable(f"the target does not say what the audit log calls {operation} (staff.actions)")
        one = self.document.operation(operation)
        kinds = (kind_of(one.id, parameter.name, self.description) for parameter in one.path_parameters)
        refused = self.described.refused.match(status, "") or self.staff.login.unauthenticated.match(status, "")
        log = self.session.target.audit_log
        return Performed(
            operation=operation,
            action=action,
            identity=identity,
            actor=log.staff.replace("{id}", account) if log and account else "",
            account_id=account,
            objects=tuple(objects[kind] for kind in kinds if kind in objects),
            in_session=not one.public,
            status=status,
            worked=200 <= status < 300 and not refused,
            refused=refused,
            made=made,
        )

    def show_first_factor(self, identity: str) -> Login:
        """Make the first step of a login only."""
        return self.logins.attempt(self.identity(identity), self.client(""), Code.ABSENT, steps=1)

    def first_proof(self, identity: str) -> dict[str, str]:
        """The header with what the first factor hands out, as if that were a session; raises Unobservable for nothing."""
        known = self._proofs.get(identity)
        if known is None or known[0] < time.monotonic():
            given = self.show_first_factor(identity).handed_out
            if not given:
                raise Unobservable("the first factor hands nothing out that could be shown")
            known = (time.monotonic() + PROOF_SECONDS, self.logins.sent_as(next(iter(given.values()))))
            self._proofs[identity] = known
        return known[1]

    def opens(self, session: str) -> bool:
        """Whether a secret works as a session."""
        return self.send(self.staff.me, identity=None, objects={}, headers=self.logins.sent_as(session)).worked

    def handed_out(self, subject: str, identity: str, answer: Answer) -> HandedOut:
        """What an answer hands out that opens the console."""
        worked = 200 <= answer.status < 300 and not self.described.refused.match(answer.status, answer.text)
        given = secrets_in(answer) if worked else []
        for place, value in given:
            self.logins.hide(value, f"handed-out-{identity}{place}")
        opens = tuple(place for place, value in given if self.opens(value))
        return HandedOut(subject, identity, answer.status, worked, len(given), opens)

    def complete_reset(self, described: Reset, identity: str, token: str, code: Code) -> Answer:
        """Set the password, to the one that it was, with a token and such a code."""
        who = self.identity(identity)
        recipe = self.description.operations.get(described.complete)
        if recipe is None or not isinstance(recipe.json_body, Mapping):
            raise Unobservable(f"the target gives no recipe for the body of {described.complete}")
        shown = self.logins.codes.make(who, code)
        values = {**self.logins.values(who), "token": token, "code": shown or ""}
        return self.logins.send(
            described.complete, fill(with_code(recipe.json_body, code, shown), values), self.client("")
        )

    def mailed_token(self, described: Reset, identity: str) -> tuple[int, str]:
        """Ask for a link; gives the status of the answer and the token in the link; raises Unobservable when no message comes."""
        who = self.identity(identity)
        before = set(self._mail(described))
        reply = self.answer(described.request, None, self.logins.values(who))[2]
        if not reply.worked:
            raise Unobservable(f"{reply}: no link to set a password can be asked for")
        until = time.monotonic() + MAIL_SECONDS
        address = account_of(who)
        while time.monotonic() < until:
            for path in self._mail(described):
                if path not in before and (token := _token_in(path, address, described.link)):
                    self.logins.hide(token, f"reset-{identity}")
                    return reply.status, token
            time.sleep(0.05)
        raise Unobservable(f"no message with a link came for {identity} within {MAIL_SECONDS:g} s")

    def _mail(self, described: Reset) -> Iterator[Path]:
        pattern = Path(described.mail)
        base = Path(pattern.anchor) if pattern.is_absolute() else self.session.target_folder
        return base.glob(described.mail.removeprefix(pattern.anchor))


def _token_in(path: Path, address: str, link: str) -> str:
    """The token in a message that was sent to `address`; empty when it is for somebody else, is being written, or has none."""
    try:
        with path.open("rb") as stream:
            message = message_from_bytes(stream.read(MAIL_BYTES), policy=policy.default)
        body = message.get_body(("plain", "html"))
        text = body.get_content() if body is not None else ""
    except (OSError, LookupError, ValueError):
        return ""
    found = re.search(link, text) if address.lower() in str(message["To"] or "").lower() else None
    return (found[1] if found.groups() else found[0]) if found else ""
