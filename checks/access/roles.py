"""Whether roles may do what the declared matrix says, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.access import Access, Matrix
from upheld.probes.api import Actor, Api, Case, PlantedTenant, Reply, State, paths_in_turn


@check(basis=OBSERVED, intrusive=True, undisturbed=True)
def roles_are_enforced(
    access: Access, api: Api, *, tenants_at_least: int = 2
) -> Iterator[Finding | NotObserved | LeftOut]:
    """In every tenant each operation works for the roles that may call it, and is refused to all others and to strangers.

    Decides: for every operation of the OpenAPI document, every declared role and every tenant, whether the API keeps to the
    declared matrix.

    How: in each tenant one object of each kind is made. Every operation is called validly, first by those who may not, then
    without any credential, then by each role that may, with an object of its own where it changes one. That it works for
    those is the control of the refusals: an operation that works for none of them is not seen, unless it works for somebody
    else. Where a change is refused, its object is read back, for a status code may lie. An operation without a recipe is
    called with a body that is refused: whoever may call it must get further than the role.

    Refuted by: an operation that works for a role that may not call it, or changes something though it was refused; one
    that is refused to a role that may; an answer to a stranger that does not ask for a credential.

    Cannot see: operations that the document does not list or the target excludes, and rights that depend on the object
    (whose own it is) within one role.

    References: OWASP API5:2023, OWASP WSTG-ATHZ-02, CWE-862, NIST SP 800-53 AC-3.
    """
    matrix, members = access.matrix(), access.members()
    tenants = list(dict.fromkeys(one.tenant for one in members))
    if len(tenants) < tenants_at_least:
        raise Unobservable(f"the target has members of {len(tenants)} tenants, and {tenants_at_least} are asked for")
    for tenant in tenants:
        for role in matrix.roles:
            if not any(one.tenant == tenant and one.role == role for one in members):
                yield NotObserved(f"role {role} in {tenant}", "the target has no identity of this role in this tenant")
    cases = api.cases()
    for name in sorted({name for name, _ in matrix.operations} - {case.id for case in cases}):
        yield NotObserved(name, "the matrix names it, and the OpenAPI document has no such operation")
    try:
        trial = _Trial(access, api, matrix, members, {one.reads: one.id for one in cases if one.reads})
        declared = []
        for case in paths_in_turn(cases):
            if case.left_out:
                yield LeftOut(case, case.left_out)
            elif matrix.may(case.id) is not None:
                declared.append(case)
            elif case.operation.public:
                yield LeftOut(case, "it asks for no credential")
            else:
                yield NotObserved(case, "the matrix does not say who may call it (access.roles)")
        for found in zip(*api.side_by_side([trial.lane(declared, tenant) for tenant in tenants]), strict=True):
            yield from found
    finally:
        api.remove_planted()


@dataclass
class _Trial:
    """The tenants with their objects, and who is sent to try."""

    access: Access
    api: Api
    matrix: Matrix
    members: tuple[Actor, ...]
    readers: dict[str, str]
    planted: dict[str, PlantedTenant] = field(default_factory=dict)
    addresses: tuple[str, ...] | None = None

    def lane(self, cases: Sequence[Case], tenant: str) -> Iterator[Finding | NotObserved]:
        """Each operation in turn, in one tenant."""
        for case in cases:
            yield self._judge(case, tenant)

    def _judge(self, case: Case, tenant: str) -> Finding | NotObserved:
        """All roles and a stranger in turn."""
        may = self.matrix.may(case.id) or ()
        subject, expected = (
            f"{case} in {tenant}",
            f"works for {', '.join(may) or 'nobody'} and is refused to all others",
        )
        try:
            ids = self._ids(case, tenant)
            wrong, odd, came = self._refusals(case, tenant, may, ids)
        except Unobservable as unobservable:
            return NotObserved(subject, unobservable.reason, expected)
        try:
            seen = self._successes(case, tenant, may, ids, wrong, came)
        except Unobservable as unobservable:
            if not wrong:
                return NotObserved(subject, unobservable.reason, expected)
            seen = False
        if wrong or (seen and odd):
            return Finding(subject, False, expected, "; ".join((*odd, *wrong) if seen else wrong))
        if not seen:
            # Who is answered like everybody else is not told from them: that shows nothing of the roles.
            reason = f"it works for none of those who may call it: {'; '.join((*came, *odd)) or 'none was tried'}"
            return NotObserved(subject, reason, expected)
        return Finding(subject, True, expected, "; ".join(came))

    def _refusals(
        self, case: Case, tenant: str, may: tuple[str, ...], ids: dict[str, str]
    ) -> tuple[list[str], list[str], list[str]]:
        """What is wrong with how those who may not, and a stranger, were answered; what is if it works for others; and what came."""
        wrong: list[str] = []
        odd: list[str] = []
        refused: list[str] = []
        unclear: list[str] = []
        before = self._state(case, tenant, ids)
        for one in self._of(tenant):
            if one.role in may:
                continue
            reply = self._call(case, one, ids)
            if reply.worked:
                wrong.append(f"answered {reply.status} to {one.role}, who may not")
            elif not reply.refused and not case.obstacle:
                unclear.append(f"answered {reply.status} to {one.role}, which is neither success nor refusal")
            elif not reply.refused:
                odd.append(f"answered {reply.status} to {one.role}, who may not, as to those who may")
            else:
                refused.append(f"{one.role} {reply.status}")
        if not case.obstacle:
            stranger = self.access.anonymous(case.id, ids)
            if not stranger.asked:
                where = wrong if stranger.reply.worked else odd
                where.append(f"answered {stranger.reply.status} to a stranger and asks for no credential")
            else:
                refused.append(f"a stranger {stranger.reply.status}")
        if before is not None and (changed := before.differs(self.api.state(before.operation, tenant, ids))):
            wrong.append(f"changed {', '.join(changed[:3])} for somebody who may not")
        if unclear and not wrong and not odd:
            raise Unobservable("; ".join(unclear))
        if (wrong or odd) and case.changes:
            # Whatever it did, it may have done to what the others are tried with.
            self.planted.pop(tenant)
        return wrong, odd, [f"refused: {', '.join(refused)}"] if refused else []

    def _successes(
        self, case: Case, tenant: str, may: tuple[str, ...], ids: dict[str, str], wrong: list[str], came: list[str]
    ) -> bool:
        """Whether it works for at least one of those who may; who of them is refused is added to what is wrong."""
        works: list[str] = []
        others: list[str] = []
        if tenant not in self.planted:
            ids = self._ids(case, tenant)
        for one in (one for one in self._of(tenant) if one.role in may):
            reply = self._call(case, one, self._own(case, tenant, ids))
            further = case.obstacle and not reply.refused and not reply.limited
            if reply.worked or further:
                works.append(f"{one.role} {reply.status}")
            else:
                others.append(f"answered {reply.status} to {one.role}, who may")
        if works:
            came.append(f"works: {', '.join(works)}")
            wrong += others
        else:
            came += others
        return bool(works)

    def _call(self, case: Case, who: Actor, ids: dict[str, str]) -> Reply:
        if case.obstacle:
            return self.api.harmless(case.id, who.name, wait=True)
        if self.addresses is None:
            self.addresses = self.api.source_addresses()
        # Each role comes from an address of its own, so that a limit for each client is reached later.
        index = self.matrix.roles.index(who.role)
        address = self.addresses[index % len(self.addresses)] if self.addresses else ""
        return self.api.call(case.id, who.name, ids, source_address=address)

    def _of(self, tenant: str) -> tuple[Actor, ...]:
        return tuple(one for one in self.members if one.tenant == tenant)

    def _ids(self, case: Case, tenant: str) -> dict[str, str]:
        if tenant not in self.planted:
            self.planted[tenant] = self.api.plant(tenant)
        planted = self.planted[tenant]
        ids = {**planted.ids(), **(dict(self.api.existing(case.id, tenant)) if case.existing else {})}
        if not case.obstacle:
            for kind in (one.kind for one in case.references if one.kind not in ids and not one.optional):
                raise Unobservable(planted.missing().get(kind, f"there is no {kind} in {tenant}"))
        return ids

    def _own(self, case: Case, tenant: str, ids: dict[str, str]) -> dict[str, str]:
        """The identifiers with a fresh object in place of the one that the call changes."""
        if case.changes and not case.obstacle and case.object in self.planted[tenant].ids():
            return {**ids, case.object: self.api.plant_one(tenant, case.object, ids).id}
        return ids

    def _state(self, case: Case, tenant: str, ids: dict[str, str]) -> State | None:
        read = case.read_back or self.readers.get(case.object, "")
        if not case.changes or case.obstacle or not read:
            return None
        state = self.api.state(read, tenant, ids)
        return state if state.present else None
