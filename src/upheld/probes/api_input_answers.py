"""What became of odd, injected and undeclared input."""

from __future__ import annotations

from dataclasses import dataclass

from upheld.probes.api_answers import Reply
from upheld.probes.injections import Effect


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that is not, or only just, as the document describes it, and its answer. `place` and `what` say how it differs.

    `allowed` when the document allows it all the same; `worked` for a success. Without an answer `status` is 0 and `reason` says why.
    """

    place: str
    what: str
    allowed: bool
    status: int
    worked: bool
    refused: bool
    reason: str = ""

    def __str__(self) -> str:
        """`body name, a NUL: answered 500`."""
        return f"{self.place}, {self.what}: " + (self.reason or f"answered {self.status}")


@dataclass(frozen=True, slots=True)
class Attempts:
    """Everything that was tried beside a valid call of an operation; `valid` is that call's answer, `untried` how many were too many."""

    operation: str
    identity: str
    valid: Reply
    tried: tuple[Attempt, ...]
    untried: int


@dataclass(frozen=True, slots=True)
class Injected:
    """What injections into the places of an operation did; `valid` is the valid call's answer."""

    operation: str
    identity: str
    valid: Reply
    places: tuple[str, ...]
    tried: int
    unanswered: tuple[str, ...]
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Extra:
    """A property that an operation does not declare, sent along: the status, the value before and after, and whether it was taken."""

    name: str
    status: int
    sent: str
    before: str
    after: str
    taken: bool


@dataclass(frozen=True, slots=True)
class Extras:
    """What became of undeclared properties that were sent along with a valid call; `reason` says why none was tried."""

    operation: str
    identity: str
    valid: Reply
    tried: tuple[Extra, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """What an answer says that it is: its media type, those that the document declares for its status, whether it forbids guessing.

    `readable` is False for a body that says that it is JSON and is none.
    """

    operation: str
    identity: str
    status: int
    media_type: str
    declared: tuple[str, ...]
    nosniff: bool
    readable: bool
    size: int
