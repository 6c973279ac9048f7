"""Plans: which tenants are on which, and the setting by which a tenant chooses for how long its records are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api, Reply
from upheld.probes.api_logins import at
from upheld.probes.base import Probe, Session, look
from upheld.probes.planted import Changes, Planted
from upheld.probes.sending import AS_MEMBERS, CHANGES, HTTP, Sending, Sends

if TYPE_CHECKING:
    from upheld.target.access import Plans as Description


@dataclass(frozen=True, slots=True)
class Holder:
    """A tenant on a plan, and the identity that may change its settings."""

    plan: str
    tenant: str
    tenant_id: str
    identity: str

    def __str__(self) -> str:
        """`acme (business plan)`."""
        return f"{self.tenant} ({self.plan} plan)"


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shortest and the longest period that may be set, in days."""

    shortest: int
    longest: int


class Plans(Probe):
    """The setting of the retention period, as tenants on each plan use it."""

    name: ClassVar[str] = "plans"
    needs: ClassVar[tuple[str, ...]] = ("api", "plans")
    sends: ClassVar[Sending] = {
        "period": (*AS_MEMBERS, Sends(HTTP, "{call:plans.read}", "{plans.holders.identity}", 1)),
        "set_period": (*AS_MEMBERS, Sends(HTTP, "{call:plans.set}", "{plans.holders.identity}", 1, CHANGES)),
    }

    def __init__(self, session: Session) -> None:
        """Contacts nothing yet."""
        super().__init__(session)
        self._changes = Changes(session.journal)

    @look
    def holders(self) -> tuple[Holder, ...]:
        """The tenants that the target names for each plan; raises Unobservable when there is none."""
        if not self._described.holders:
            raise Unobservable("the target names no tenant of any plan (plans.holders)")
        return tuple(
            Holder(one.plan, one.tenant, self._api.tenant_id(one.tenant), one.identity)
            for one in self._described.holders
        )

    @look
    def bounds(self) -> Bounds:
        """What may be set, by the target's description."""
        return Bounds(self._described.shortest_days, self._described.longest_days)

    @look
    def period(self, identity: str) -> int:
        """The tenant's period in days, as the API shows it; raises Unobservable when it shows none."""
        described = self._described
        answer, _, reply = self._api.answer(described.read, identity, {})
        if not reply.worked:
            raise Unobservable(f"{described.read} answered {reply.status} to {identity}")
        days = at(answer.json(), described.pointer)
        if isinstance(days, bool) or not isinstance(days, int):
            raise Unobservable(f"{described.read} has no whole number of days at {described.pointer}")
        return days

    @look
    def set_period(self, identity: str, days: Any) -> Reply:
        """Set the tenant's period; what is not a number is sent as it is."""
        described = self._described
        if self._changes.first(identity) is None:
            answer, _, shown = self._api.answer(described.read, identity, {})
            before = at(answer.json(), described.pointer) if shown.worked else None
            title = f"the retention period of {identity}'s tenant, which was {before} days"
            back = Planted("call", title, "api", described.set, identity, body={described.property: before})
            self._changes.about(identity, back)
        reply = self._api.send(described.set, identity=identity, objects={}, body={described.property: days})
        first = self._changes.first(identity)
        if first is not None and reply.worked and first.body == {described.property: days}:
            self._changes.back(identity)
        return reply

    @property
    def _described(self) -> Description:
        if self.target.plans is None:
            raise Unobservable("the target describes no plans")
        return self.target.plans

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))
