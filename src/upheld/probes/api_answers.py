"""What the API probe's looks return: frozen values, of which checks judge and a replay is made."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"[^\s\"',:;{}\[\]<>=&|()\\]{6,}")
# What a record is known by: its own identifier or mail address. Small numbers may be counted for each tenant anew.
_IDENTIFIER = re.compile(r'"(?:id|_id|uuid|email)"\s*:\s*(?:"([^"\\]{6,})"|([0-9]{4,}))')


@dataclass(frozen=True, slots=True)
class Actor:
    """An identity of the target, without its secrets. `account` is the name that it logs in with."""

    name: str
    tenant: str
    role: str
    throwaway: bool
    account: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the API. `refused` and `limited` are by the target's description of what such answers look like.

    `shows` holds the labels of the planted canaries that the whole body holds in any common spelling, `sent` the
    identifiers that were sent, `made` the identifier of what was created. `text` is the beginning of the body. `waited_seconds` is
    how long the target's rate limit was waited for. `location` is where it redirects to, `good` the statuses that the
    target names for it.
    """

    subject: str
    identity: str
    method: str
    url: str
    status: int
    refused: bool
    limited: bool
    retry_after: str
    media_type: str
    size: int
    sha256: str
    text: str
    seconds: float
    shows: tuple[str, ...] = ()
    sent: tuple[str, ...] = ()
    made: str = ""
    waited_seconds: float = 0.0
    location: str = ""
    good: tuple[int, ...] = ()

    @property
    def worked(self) -> bool:
        """Whether it is a success: a status in `good` (without any, of 200 to 299) that neither refuses nor limits by the description."""
        succeeded = self.status in self.good if self.good else 200 <= self.status < 300
        return succeeded and not self.refused and not self.limited

    def words(self) -> frozenset[str]:
        """The pieces of the text of at least 6 characters: identifiers, names, addresses, numbers."""
        return frozenset(_TOKEN.findall(self.text))

    def identifiers(self) -> frozenset[str]:
        """What the records in the text are known by: such values belong to one tenant alone."""
        return frozenset(text or number for text, number in _IDENTIFIER.findall(self.text))

    def __str__(self) -> str:
        """`getContact answered 404`."""
        return f"{self.subject} answered {self.status}"


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """What a login answered: whether it gave a token, and after how many seconds."""

    identity: str
    account: str
    right_password: bool
    status: int
    accepted: bool
    limited: bool
    retry_after: str
    retry_after_seconds: float | None
    seconds: float
    source_address: str = ""


@dataclass(frozen=True, slots=True)
class Burst:
    """Many harmless requests to one operation or page in quick succession.

    `statuses` are in the order in which the answers came, `first_limited` is the index of the first answer that was limited (None: none
    was), `ordinary` the status of the first that was not. `retry_after` is that header of the first limited answer as it
    stood, `retry_after_seconds` what it says in seconds (None: nothing valid). Address number i sent the requests i, i+n, ….
    `others` are the bursts, of one request each, that others sent right after the first answer that was limited.
    """

    subject: str
    identity: str
    source_addresses: tuple[str, ...]
    statuses: tuple[int, ...]
    first_limited: int | None
    ordinary: int | None
    limited_status: int | None
    retry_after: str
    retry_after_seconds: float | None
    seconds: float
    others: tuple[Burst, ...] = ()

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return len(self.statuses)

    @property
    def most_from_one_address(self) -> int:
        """The requests that the busiest address had been granted when the first answer was limited."""
        granted = self.requests if self.first_limited is None else self.first_limited
        return -(-granted // max(1, len(self.source_addresses)))


@dataclass(frozen=True, slots=True)
class PlantedObject:
    """An object that the harness made, or the reason why it could not. `canary` is the label of the canary in it."""

    kind: str
    id: str
    canary: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PlantedTenant:
    """One object of each kind that was made in a tenant, by the identity that acts for it. `id` is the tenant's own.

    `inferred` says by which recipes that no target describes, and `not_inferred` what has none, and why.
    """

    tenant: str
    id: str
    identity: str
    objects: tuple[PlantedObject, ...]
    inferred: tuple[str, ...] = ()
    not_inferred: tuple[str, ...] = ()

    def ids(self) -> dict[str, str]:
        """The identifiers by kind, the tenant's own under `tenant`; kinds that could not be made are missing."""
        return {"tenant": self.id, **{one.kind: one.id for one in self.objects if one.id}}

    def canaries(self) -> frozenset[str]:
        """The labels of the canaries that were planted."""
        return frozenset(one.canary for one in self.objects if one.canary and one.id)

    def missing(self) -> dict[str, str]:
        """Why the objects of some kinds could not be made."""
        return {one.kind: one.reason for one in self.objects if not one.id}


@dataclass(frozen=True, slots=True)
class Removal:
    """What became of the planted objects: how many were removed, and which stay because the API offers no way."""

    removed: int
    left: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What an operation shows its owner: the values of the answer by place. `unstable` places differ from read to read."""

    operation: str
    tenant: str
    status: int
    present: bool
    values: tuple[tuple[str, str], ...]
    unstable: tuple[str, ...] = ()

    def differs(self, other: State, of: str = "") -> tuple[str, ...]:
        """The places whose values differ between two reads, apart from unstable ones; `(gone)` when it is there no more.

        Where the first read lists several objects and `of` is the identifier of one, only what is said of that one counts:
        others may come and go.
        """
        if of and (listed := self._listed(of)):
            if not other._listed(of):
                return ("(gone)",)
            return tuple(place for place in self.differs(other) if f"{place}/".startswith(listed))
        if self.present != other.present:
            return ("(gone)",) if self.present else ("(appeared)",)
        mine, others = dict(self.values), dict(other.values)
        unstable = {*self.unstable, *other.unstable}
        places = sorted({*mine, *others} - unstable)
        return tuple(place for place in places if mine.get(place) != others.get(place))

    def _listed(self, identifier: str) -> str:
        """The beginning of the places that tell of the object of that identifier in a list; empty when it is in none."""
        part = f"/{named(identifier)}/"
        return next((place[: place.index(part) + len(part)] for place, _ in self.values if part in place), "")


def named(identifier: str) -> str:
    """The part of a place that stands for the object of that identifier in a list."""
    return f"({identifier.replace('~', '~0').replace('/', '~1')})"
