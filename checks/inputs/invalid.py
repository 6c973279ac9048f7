"""Whether operations refuse what is not as the document describes it, and are broken by nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput, Attempt, Attempts

from ._world import World

_BROKEN = 500
_CLIENT_ERRORS = range(400, 500)
_UNAUTHENTICATED = 401
_TOLD = 5


@check(basis=OBSERVED, intrusive=True)
def invalid_input_is_refused(
    api: Api, api_input: ApiInput, *, requests_per_operation: Annotated[int, Field(ge=5, le=500)] = 16
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every operation refuses input that is not as its document describes it, and no odd input breaks one.

    Decides: for every operation of the OpenAPI document that takes input, whether requests that the document forbids are
    refused, and whether those that it only just allows are answered without a fault of the server.

    How: beside a valid call (control: it works) up to `requests_per_operation` requests are sent that differ from it in
    one place, all places in turn: another type, nothing, one beyond a bound, a text that no pattern matches, a property that
    the document forbids, broken JSON, and texts that programs stumble over. Whether the document allows one is decided by
    a validator of JSON Schema before it is sent. A fault of the server is asked for a second time. What is not the
    harness's own, such as settings of a tenant, is only sent what the document forbids.

    Refuted by: a status of 500 or more; a success for what the document forbids.

    Cannot see: what the document does not describe, faults of two places together, and bodies other than JSON. An
    operation of which the target knows no call that works, nor a harmless one, is shown as not observed.

    References: OWASP API8:2023, OWASP WSTG-INPV, CWE-20, CWE-248, JSON Schema 2020-12.
    """
    try:
        world = World(api)
        for case in world.cases:
            expected = "4xx for what the document forbids, and no 5xx for anything"
            if case.left_out:
                yield LeftOut(case, case.left_out)
            elif not case.operation.parameters and not case.operation.has_body:
                yield LeftOut(case, "it takes no input")
            else:
                try:
                    found = api_input.attempts(
                        case, world.identity(case), world.objects(case), requests_per_operation, own=world.own(case)
                    )
                    yield _judged(case, found, expected)
                except Unobservable as unobservable:
                    yield NotObserved(case, unobservable.reason, expected)
    finally:
        api.remove_planted()


def _judged(case: object, found: Attempts, expected: str) -> Finding | NotObserved:
    bad = [one for one in found.tried if one.status >= _BROKEN or (one.worked and not one.allowed)]
    unseen = [one for one in found.tried if not one.allowed and one not in bad and not _refused(one, found)]
    unseen += [one for one in found.tried if one.allowed and one.reason]
    if bad:
        return Finding(case, False, expected, _told(bad), seen=(found,))
    if not found.tried:
        return NotObserved(case, "the document leaves nothing to try beside the valid call", expected, seen=(found,))
    if unseen:
        return NotObserved(case, _told(unseen), expected, seen=(found,))
    forbidden = sum(not one.allowed for one in found.tried)
    told = f"refused {forbidden} requests that the document forbids"
    if odd := len(found.tried) - forbidden:
        told += f", and was not broken by {odd} odd ones that it allows"
    return Finding(case, True, expected, told, seen=(found,))


def _refused(one: Attempt, found: Attempts) -> bool:
    """Whether an answer says that the input was not taken, and not that nobody is logged in any more."""
    if one.status == _UNAUTHENTICATED and found.valid.status != _UNAUTHENTICATED:
        return False
    return one.status in _CLIENT_ERRORS or one.refused


def _told(several: list[Attempt]) -> str:
    more = f", and {len(several) - _TOLD} more" if len(several) > _TOLD else ""
    return "; ".join(map(str, several[:_TOLD])) + more
