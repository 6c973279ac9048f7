"""Whether text that means something to an interpreter behind the API stays text."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput, Injected

from ._world import World

_TOLD = 5


@check(basis=OBSERVED, intrusive=True)
def injected_input_has_no_effect(api: Api, api_input: ApiInput) -> Iterator[Finding | NotObserved | LeftOut]:
    """No text that is sent to an operation is run as SQL, a template, a command, a header, a path or XML.

    Decides: for every operation of the OpenAPI document, whether anything in a query, in the end of a path, in a text of the
    body or in the body as a whole is taken for more than a value.

    How: beside a valid call (control: it works) the injections of a data file are sent, one place at a time. Effects are
    computed, never guessed from messages: two conditions in a text, one right and one wrong, that are answered differently,
    twice; a product of fresh numbers, or two fresh words joined, in the answer or in what is read back; a header field that
    was sent as text; the contents of a file of the system.

    Refuted by: one such effect, or a status of 500 or more.

    Cannot see: effects that show in no answer (time, outgoing calls), interpreters that the file does not speak to, and
    places that the document does not name.

    References: OWASP WSTG-INPV-05, -07, -12, -15 and -18, WSTG-ATHZ-01, CWE-74, CWE-89, CWE-611, CWE-1336.
    """
    expected = "answered as any other text, or refused"
    try:
        world = World(api)
        for case in world.cases:
            if case.left_out:
                yield LeftOut(case, case.left_out)
            elif not case.operation.parameters and not case.operation.has_body:
                yield LeftOut(case, "it takes no input")
            else:
                try:
                    reader = world.reader(case)
                    found = api_input.injected(case, world.identity(case), world.objects(case), reader)
                    yield _judged(case, found, expected)
                except Unobservable as unobservable:
                    yield NotObserved(case, unobservable.reason, expected)
    finally:
        api.remove_planted()


def _judged(case: object, found: Injected, expected: str) -> Finding | NotObserved | LeftOut:
    if found.effects:
        more = f", and {len(found.effects) - _TOLD} more" if len(found.effects) > _TOLD else ""
        return Finding(case, False, expected, "; ".join(map(str, found.effects[:_TOLD])) + more, seen=(found,))
    if found.unanswered:
        return NotObserved(case, "; ".join(found.unanswered[:_TOLD]), expected, seen=(found,))
    if not found.tried:
        return LeftOut(case, "it has no place for a text")
    where = ", ".join(found.places)
    return Finding(
        case, True, expected, f"no effect of {found.tried} requests with injections in {where}", seen=(found,)
    )
