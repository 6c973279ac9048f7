"""What the staff probe's looks return: frozen values, of which checks judge and a replay is made."""

from __future__ import annotations

from dataclasses import dataclass

from upheld.probes.api_answers import Reply
from upheld.probes.staff_codes import Code


@dataclass(frozen=True, slots=True)
class StaffMember:
    """An identity of staff that the harness may use, without its secrets. `account` is the name that it logs in with."""

    name: str
    role: str
    account: str
    throwaway: bool


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """An account as the console lists it: whether it has a second factor, and whether it can log in."""

    id: str
    account: str
    enrolled: bool
    active: bool


@dataclass(frozen=True, slots=True)
class StaffLoginAttempt:
    """What a login with such a second factor came to. `accepted`: it gave a session, and that opens the console.

    `status` is of the last request, `step` the operation that this was.
    """

    identity: str
    code: Code
    status: int
    step: str
    accepted: bool


@dataclass(frozen=True, slots=True)
class HandedOut:
    """What an operation answered to somebody who has not shown the second factor to a login.

    `worked` is a success by the target's description; `opens` are the places of its answer whose value opens the console, out
    of the `tried` that could.
    """

    subject: str
    identity: str
    status: int
    worked: bool
    tried: int
    opens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BreakGlassRequest:
    """The answer to a request for emergency access, and the identifier of what it made (empty for nothing)."""

    reply: Reply
    id: str


@dataclass(frozen=True, slots=True)
class Performed:
    """What was done or tried on the console, for the audit log.

    `made` is the identifier of emergency access that was asked for. `action` is what the log calls it, `actor` who did it as the log writes that (empty for nobody), `objects` are the identifiers
    in its path. `in_session` says that it was done with a session, so that the log knows who did it. `refused` is by the target's
    description, like `worked`.
    """

    operation: str
    action: str
    identity: str
    actor: str
    account_id: str
    objects: tuple[str, ...]
    in_session: bool
    status: int
    worked: bool
    refused: bool
    made: str = ""

    def __str__(self) -> str:
        """`readMessage as ada`."""
        return f"{self.operation} as {self.identity or 'nobody'}"


@dataclass(frozen=True, slots=True)
class Privileged:
    """An operation of the console that the audit log must tell of, and what the log calls it.

    `roles` may call it; none are named for one that needs no session. `part` says what of the console it belongs to (login, log out,
    reset, break-glass, or nothing of these), `objects` which kinds of object its path names.
    """

    operation: str
    action: str
    roles: tuple[str, ...]
    part: str
    objects: tuple[str, ...]
    public: bool

    def __str__(self) -> str:
        """The operation's id."""
        return self.operation


@dataclass(frozen=True, slots=True)
class BreakGlassSteps:
    """The operations of emergency access in their order; `kind` is how a session is called among the objects."""

    request: str
    approve: str
    start: str
    use: str
    end: str
    kind: str
