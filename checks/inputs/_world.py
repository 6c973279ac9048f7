"""What the checks of input share: one tenant with an object of each kind, and as whom an operation is called."""

from __future__ import annotations

from upheld import Unobservable
from upheld.probes.api import Api, Case


class World:
    """One tenant in which the harness made an object of each kind."""

    def __init__(self, api: Api) -> None:
        """Makes the objects."""
        actor = api.acting()[0]
        self.api, self.tenant, self.actor = api, actor.tenant, actor.name
        self.cases = api.cases()
        throwaway = [one for one in api.actors() if one.throwaway]
        burnt = [one.name for one in throwaway if one.tenant == self.tenant] or [one.name for one in throwaway]
        # The first and the last are what other checks lock out and disable.
        self.burn = burnt[len(burnt) // 2] if burnt else ""
        self.planted = api.plant(self.tenant)
        self._readers = {one.reads: one.id for one in self.cases if one.reads}

    def identity(self, case: Case) -> str | None:
        """As whom: nobody where no credential is asked for, a throw-away identity where no body is known that works."""
        if case.operation.public:
            return None
        if case.obstacle and not self.burn:
            raise Unobservable(f"{case.obstacle}; and the target offers no throw-away identity")
        return self.burn if case.obstacle else self.actor

    def objects(self, case: Case) -> dict[str, str]:
        """Identifiers by kind, a fresh one for what the operation changes; raises Unobservable for a kind that is missing."""
        if case.obstacle:
            return {}
        ids = {**self.planted.ids(), **(dict(self.api.existing(case.id, self.tenant)) if case.existing else {})}
        for kind in (one.kind for one in case.references if one.kind not in ids and not one.optional):
            raise Unobservable(self.planted.missing().get(kind, f"there is no {kind} in {self.tenant}"))
        if case.changes and case.object in self.planted.ids():
            ids[case.object] = self.api.plant_one(self.tenant, case.object, ids).id
        return ids

    def own(self, case: Case) -> bool:
        """Whether what the operation makes or changes is the harness's own; whoever changes nothing may do so."""
        return not case.changes or bool(case.creates) or case.object in self.planted.ids()

    def reader(self, case: Case) -> str:
        """The operation that shows what this one makes or changes; empty where there is none."""
        return case.read_back or self._readers.get(case.creates or case.object, "")
