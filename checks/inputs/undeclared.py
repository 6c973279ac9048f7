"""Whether properties that nobody declared are assigned with those that were."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api, Case
from upheld.probes.api_input import ApiInput

from ._world import World


@check(basis=OBSERVED, intrusive=True)
def undeclared_properties_change_nothing(api: Api, api_input: ApiInput) -> Iterator[Finding | NotObserved | LeftOut]:
    """No operation takes a property that its document does not declare: what it makes or changes has not the value that was sent.

    Decides: for every operation with a JSON body, whether identifiers, owners, roles, moments and whatever else an object
    has can be set by sending them along (mass assignment).

    How: the valid call (control: it works) is repeated with one more property each, of those that are shown of the object
    and that the body does not declare, or declares read-only, with another value of the same kind; then the object is read back. Objects are the
    harness's own; what belongs to the caller alone is changed as a throw-away identity, and put back.

    Refuted by: a success after which the value is the one that was sent.

    Cannot see: properties that nobody is shown, changes of what belongs to a whole tenant, and operations that show
    nothing of what they did.

    References: OWASP API3:2023, CWE-915, OWASP WSTG-INPV-20.
    """
    expected = "refused, or without any effect"
    try:
        world = World(api)
        for case in world.cases:
            if not case.operation.has_body or not case.changes:
                continue
            reason = case.left_out or case.obstacle or _reason(world, case)
            if reason:
                yield LeftOut(case, reason)
                continue
            try:
                yield from _tried(world, case, api_input, expected)
            except Unobservable as unobservable:
                yield NotObserved(case, unobservable.reason, expected)
    finally:
        api.remove_planted()


def _reason(world: World, case: Case) -> str:
    """Why an operation is left alone: what it changes belongs to more than the harness."""
    if world.own(case):
        return "" if world.reader(case) else "nothing shows what it made or changed"
    if not world.burn:
        return "it changes what belongs to the caller, and the target offers no throw-away identity"
    if any(one.kind != "tenant" for one in case.references) or any(one.where == "path" for one in case.references):
        return "it changes what belongs to a whole tenant"
    return "" if world.reader(case) else "nothing shows what it changed"


def _tried(world: World, case: Case, api_input: ApiInput, expected: str) -> Iterator[Finding | NotObserved | LeftOut]:
    identity = world.actor if world.own(case) else world.burn
    found = api_input.extras(case, identity, world.objects(case), world.reader(case))
    if not found.tried:
        yield LeftOut(case, found.reason or "all that is shown of the object is declared")
        return
    taken = [f"{one.name} became {one.after!r} (before: {one.before!r})" for one in found.tried if one.taken]
    broken = [f"with {one.name} it answered {one.status}" for one in found.tried if one.status >= 500]
    if taken:
        yield Finding(case, False, expected, "; ".join(taken), seen=(found,))
    elif broken:
        yield NotObserved(case, "; ".join(broken), expected, seen=(found,))
    else:
        names = ", ".join(f"{one.name} ({one.status})" for one in found.tried)
        yield Finding(case, True, expected, f"nothing was taken of {names}", seen=(found,))
