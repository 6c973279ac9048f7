"""Whether another tenant's identifiers open anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api, Case, PlantedTenant, Reference, Reply, State, paths_in_turn

_CLIENT_ERRORS = range(400, 500)


@check(basis=OBSERVED, intrusive=True)
def foreign_identifiers_are_refused(api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """No operation gives or changes anything of another tenant when it is called with that tenant's identifiers.

    Decides: for every operation of the OpenAPI document that takes an identifier (in path, query, header or anywhere in the body),
    for every ordered pair of tenants, and for each place of an identifier: whether the most powerful role of one tenant
    gets at the other's object.

    How: in each tenant one object of each kind is made by the target's recipes, with a canary in it. The call is made
    with own identifiers (control: it must work) and then with one identifier of the other tenant in one place at a time,
    last with all of those in the path. What counts as refusal the target declares. Status codes are not believed: the
    owner reads the object back before and after, canaries are looked for in every answer, and a success is compared with
    what the owner and what the caller gets for its own.

    Refuted by: another tenant's canary or data in the answer; an object of the other tenant that changed, vanished or
    appeared; another tenant's object accepted as a reference in a body; a success whose effect cannot be read back.

    Cannot see: identifiers that the document does not name; effects that no declared operation shows; more than the
    roles and tenants that the target offers. An operation for which the target gives no recipe is shown as not observed.

    References: OWASP API1:2023, OWASP WSTG-ATHZ-04, CWE-639.
    """
    tenants = [one.tenant for one in api.acting()]
    if len(tenants) < 2:
        raise Unobservable("the target describes fewer than two tenants")
    cases = api.cases()
    try:
        world = _World(
            api, {tenant: api.plant(tenant) for tenant in tenants}, {one.reads: one.id for one in cases if one.reads}
        )
        for case in paths_in_turn(cases):
            if reason := case.left_out or case.shared:
                yield LeftOut(case, reason)
            elif case.obstacle and (case.operation.identifiers or case.references):
                yield NotObserved(case, case.obstacle)
            elif not case.references and not case.unclear:
                yield LeftOut(case, "it takes no identifier")
            else:
                if case.unclear:
                    yield NotObserved(f"{case}, other identifiers", "; ".join(case.unclear))
                for actor, owner in permutations(tenants, 2):
                    yield from world.cross(case, actor, owner)
    finally:
        api.remove_planted()


@dataclass(frozen=True)
class _Control:
    """The same call with own identifiers; `effect` says whether its change was seen when read back (None: there is nothing to read)."""

    reply: Reply
    effect: bool | None


@dataclass
class _World:
    """The tenants with their planted objects, and what is known of them so far."""

    api: Api
    planted: dict[str, PlantedTenant]
    readers: dict[str, str]
    controls: dict[tuple[str, str, str], _Control | str] = field(default_factory=dict)
    states: dict[tuple[str, str, str], State] = field(default_factory=dict)
    existing: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def ids(self, case: Case, tenant: str) -> dict[str, str]:
        """The tenant's identifiers by kind, as this operation needs them."""
        if (case.id, tenant) not in self.existing:
            self.existing[case.id, tenant] = dict(self.api.existing(case.id, tenant)) if case.existing else {}
        return {**self.planted[tenant].ids(), **self.existing[case.id, tenant]}

    def cross(self, case: Case, actor: str, owner: str) -> Iterator[Finding | NotObserved]:
        """Every place of the operation in turn, then the whole path, with identifiers of `owner`, as `actor`."""
        places: list[tuple[Reference, ...]] = [(one,) for one in case.references]
        path = tuple(one for one in case.references if one.where == "path")
        if len(path) > 1:
            places.append(path)
        for swapped in places:
            subject = f"{case}: {' and '.join(map(str, swapped))} of {owner}, as {actor}"
            expected = f"refused, and nothing of {owner} given or changed"
            try:
                yield self._attempt(case, actor, owner, swapped, subject, expected)
            except Unobservable as unobservable:
                yield NotObserved(subject, unobservable.reason, expected)

    def _attempt(
        self, case: Case, actor: str, owner: str, swapped: tuple[Reference, ...], subject: str, expected: str
    ) -> Finding | NotObserved:
        mine, theirs = self.ids(case, actor), self.ids(case, owner)
        for tenant, ids in ((actor, mine), (owner, theirs)):
            for kind in (one.kind for one in case.references if one.kind not in ids):
                raise Unobservable(self.planted[tenant].missing().get(kind, f"there is no {kind} in {tenant}"))
        replaced = {str(one): theirs[one.kind] for one in swapped}
        control = self._control(case, actor, swapped, mine)
        before = self._state(case, owner, swapped, theirs)
        reply = self.api.call(case.id, self.planted[actor].identity, mine, replaced=replaced)
        seen: tuple[Reply, ...] = (control.reply, reply)
        if leaked := self.planted[owner].canaries() & set(reply.shows):
            return Finding(
                subject,
                False,
                expected,
                f"answered {reply.status} with {owner}'s data in it ({', '.join(sorted(leaked))})",
                seen=seen,
            )
        if before is not None:
            after = self.api.state(before.operation, owner, theirs)
            changed = before.differs(after, of=theirs.get(swapped[-1].kind, ""))
            if not changed and before.differs(after):
                # Something else came, went or changed beside it. Whether that was the attempt shows when it is made again.
                again = self.api.call(case.id, self.planted[actor].identity, mine, replaced=replaced)
                before, after = after, self.api.state(before.operation, owner, theirs)
                changed, seen = before.differs(after), (*seen, again)
            if changed:
                self._mend(owner)
                return Finding(
                    subject,
                    False,
                    expected,
                    f"answered {reply.status}, and {owner}'s object changed: {', '.join(changed[:5])}",
                    seen=(*seen, before, after),
                )
            self.states[before.operation, owner, theirs.get(swapped[-1].kind, "")] = after
        if reply.refused:
            return Finding(
                subject,
                True,
                expected,
                f"refused with {reply.status}; with own identifiers {control.reply.status}",
                seen=seen,
            )
        if not reply.worked:
            hint = " (api.refused does not list it)" if reply.status in _CLIENT_ERRORS else ""
            return NotObserved(
                subject, f"answered {reply.status}, which is neither success nor refusal{hint}", expected, seen=seen
            )
        if not case.changes:
            return self._reading(case, owner, theirs, reply, control, subject, expected)
        # Whatever it did instead, it may have done to the caller's own objects.
        self._mend(actor)
        return self._changing(case, actor, owner, swapped, reply, control, before, subject, expected)

    def _control(self, case: Case, actor: str, swapped: tuple[Reference, ...], mine: dict[str, str]) -> _Control:
        """The call with own identifiers, made once for each operation, tenant and optional place; raises Unobservable where it does not work."""
        # An optional place is filled only when it is under test, so that each has a control of its own.
        replaced = {str(one): mine[one.kind] for one in swapped if one.optional}
        key = (case.id, actor, ",".join(replaced))
        if key not in self.controls:
            try:
                self.controls[key] = self._make_control(case, actor, mine, replaced)
            except Unobservable as unobservable:
                self.controls[key] = unobservable.reason
        known = self.controls[key]
        if isinstance(known, str):
            raise Unobservable(known)
        return known

    def _make_control(self, case: Case, actor: str, mine: Mapping[str, str], replaced: dict[str, str]) -> _Control:
        own, places = dict(mine), dict(replaced)
        if case.changes and case.object in self.planted[actor].ids():
            # What is changed or deleted for the control is an object of its own, so that the others stay as they are.
            own[case.object] = self.api.plant_one(actor, case.object, mine).id
            for one in case.references:
                if one.kind == case.object and str(one) in places:
                    places[str(one)] = own[case.object]
        read = self._read_operation(case, case.object) if case.changes else ""
        before = self.api.state(read, actor, own) if read else None
        reply = self.api.call(case.id, self.planted[actor].identity, own, replaced=places)
        if not reply.worked:
            raise Unobservable(f"the same call with own identifiers does not work: it answered {reply.status}")
        after = None if before is None else self.api.state(read, actor, own)
        effect = None if before is None or after is None else bool(before.differs(after, of=own.get(case.object, "")))
        if case.changes:
            # What an object shows of others in it (a calendar of its events) the harness itself has changed just now.
            self.states = {key: one for key, one in self.states.items() if key[1] != actor}
        return _Control(reply, effect)

    def _read_operation(self, case: Case, kind: str) -> str:
        """The operation that shows its owner what this one does to an object of `kind`; empty where there is none."""
        if case.read_back:
            return case.read_back
        return self.readers.get(kind, "")

    def _state(self, case: Case, owner: str, swapped: tuple[Reference, ...], theirs: dict[str, str]) -> State | None:
        """What the owner reads of the object that the last swapped place names, before the attempt; None where nothing is read."""
        kind = swapped[-1].kind
        read = self._read_operation(case, kind) if case.changes and kind != "tenant" else ""
        if not read:
            return None
        key = (read, owner, theirs.get(kind, ""))
        if key not in self.states:
            self.states[key] = self.api.state(read, owner, theirs)
        known = self.states[key]
        if not known.present:
            raise Unobservable(f"{owner} cannot read its own {kind} back: {read} answered {known.status}")
        return known

    def _mend(self, owner: str) -> None:
        """Make the owner's objects anew after one was harmed, so that what follows is not blinded by it."""
        self.planted[owner] = self.api.plant(owner)
        self.states.clear()
        self.existing.clear()

    def _reading(
        self,
        case: Case,
        owner: str,
        theirs: Mapping[str, str],
        reply: Reply,
        control: _Control,
        subject: str,
        expected: str,
    ) -> Finding | NotObserved:
        """What a read that succeeded came to: the owner's data, the caller's own, or nothing."""
        full = self.api.call(case.id, self.planted[owner].identity, theirs)
        if not full.worked:
            return NotObserved(
                subject, f"answered {reply.status}, and the owner's own call answered {full.status}", expected
            )
        only_theirs = (
            full.words() - control.reply.words() - {word for value in reply.sent for word in (value, *value.split("/"))}
        )
        seen = (control.reply, reply, full)
        if not only_theirs:
            reason = (
                f"answered {reply.status}; the owner's answer has nothing by which to tell it from the caller's own"
            )
            return NotObserved(subject, reason, expected, seen=seen)
        if got := only_theirs & reply.words():
            return Finding(
                subject,
                False,
                expected,
                f"answered {reply.status} with {len(got)} values that only {owner} has",
                seen=seen,
            )
        return Finding(subject, True, expected, f"answered {reply.status} with nothing of {owner} in it", seen=seen)

    def _changing(
        self,
        case: Case,
        actor: str,
        owner: str,
        swapped: tuple[Reference, ...],
        reply: Reply,
        control: _Control,
        before: State | None,
        subject: str,
        expected: str,
    ) -> Finding | NotObserved:
        """What a change that succeeded came to: whether it reached the owner."""
        seen = (control.reply, reply)
        accepted = Finding(subject, False, expected, f"answered {reply.status}, as if it were allowed", seen=seen)
        if any(one.where == "body" and one.kind != "tenant" for one in swapped):
            return Finding(
                subject,
                False,
                expected,
                f"answered {reply.status}: {owner}'s identifier was accepted in the body",
                seen=seen,
            )
        if case.creates and reply.made:
            return self._making(case, actor, owner, reply, seen, subject, expected)
        if before is None or control.effect is None:
            return accepted
        if not control.effect:
            reason = f"answered {reply.status}, but not even with own identifiers does the operation change anything that is read back"
            return NotObserved(subject, reason, expected, seen=seen)
        return Finding(
            subject, True, expected, f"answered {reply.status}, and nothing of {owner} changed", seen=(*seen, before)
        )

    def _making(
        self, case: Case, actor: str, owner: str, reply: Reply, seen: tuple[Reply, ...], subject: str, expected: str
    ) -> Finding:
        """What something that was made came to: whose it is."""
        read, ids = self._read_operation(case, case.creates), {case.creates: reply.made}
        if not read:
            return Finding(subject, False, expected, f"answered {reply.status}, as if it were allowed", seen=seen)
        there = self.api.state(read, owner, {**self.ids(case, owner), **ids})
        here = self.api.state(read, actor, {**self.ids(case, actor), **ids})
        foreign = there.present or not here.present
        came = f"made an object in {owner}" if foreign else "what it made is the caller's own"
        return Finding(
            subject, not foreign, expected, f"answered {reply.status}, and {came}", seen=(*seen, there, here)
        )
