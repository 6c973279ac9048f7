"""Whether staff gets at what customers wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api, PlantedTenant
from upheld.probes.staff import Staff

NO_REASONS = (
    "",
    " ",
    "\t \n",
    "\u00a0\u2003",
    "-",
    "...",
    "n/a",
    "test",
    "asdf asdf asdf asdf",
    "support",
    "customer request",
)
"""What is written where a reason is asked for and nobody has one: nothing, blanks, and what fits anything."""


@check(basis=OBSERVED, intrusive=True)
def reading_needs_a_reason(
    api: Api, staff: Staff, *, poor: tuple[str, ...] = NO_REASONS
) -> Iterator[Finding | NotObserved]:
    """Staff reads nothing that a customer wrote without a reason, with a blank one or with one that says nothing.

    Decides: whether one object of a customer can be read on the console without a reason, with each of the reasons in `poor` and of
    those that the target knows to be poor, and by a role that may not read at all.

    How: an object with a canary is made through the customers' API. With the good reason that the target gives it must be read,
    canary and all (control). Then the same request is made without a reason and with each poor one.

    Refuted by: the canary in an answer, or a success, without a good reason.

    Cannot see: whether a good reason is true.

    References: OWASP ASVS 5.0 V8.4, CWE-862, GDPR Art. 25(2).
    """
    operation, kind = staff.reading()
    good, more = staff.reasons()
    who = staff.able(operation)
    try:
        planted = _planted(api, kind)
        objects = planted.ids()
        control = staff.read(who.name, objects, good)
        subject = f"{operation} as {who.name} with a good reason"
        if not control.worked or not planted.canaries() & set(control.shows):
            what = f"answered {control.status}" if not control.worked else "does not show what was written"
            yield NotObserved(subject, f"it cannot be read even then: {operation} {what}", seen=(control,))
            return
        yield Finding(subject, True, "is read", f"answered {control.status} with what was written", seen=(control,))
        for reason in (None, *dict.fromkeys((*poor, *more))):
            shown = "without a reason" if reason is None else f"with the reason {reason!a}"
            yield _refused(staff, who.name, planted, reason, f"{operation} as {who.name} {shown}")
        if (stranger := staff.unable(operation)) is not None:
            subject = f"{operation} as {stranger.name} ({stranger.role}), who may not read, with a good reason"
            yield _refused(staff, stranger.name, planted, good, subject)
    finally:
        api.remove_planted()


@check(basis=OBSERVED, intrusive=True)
def listings_show_no_content(api: Api, staff: Staff) -> Iterator[Finding | NotObserved | LeftOut]:
    """No listing and no search of the console shows what a customer wrote, nor finds anything by it.

    Decides: for every operation of the console's OpenAPI document that only reads, whether what was written in a customer's object
    stands in the answer.

    How: an object with a canary is made through the customers' API, and each operation is called by an identity that may. A listing of a
    customer's must name the object, or one that it belongs to (control: it would have shown it). A search is made for a word of the
    content, and for the object's identifier (control: it finds that).

    Refuted by: the canary in an answer.

    Cannot see: content in other spellings than the common ones; listings that need objects which are no customer's.

    References: OWASP ASVS 5.0 V14.2, CWE-200, GDPR Art. 25(2).
    """
    reading, kind = staff.reading()
    searches = dict(staff.searches())
    try:
        planted = _planted(api, kind)
        objects = planted.ids()
        for operation in staff.operations():
            subject = str(operation)
            kinds = staff.kinds_of(operation.id)
            if operation.method != "GET" or operation.id == reading:
                continue
            if operation.public or set(kinds) - set(objects):
                yield LeftOut(operation, "it shows nothing of a customer's")
                continue
            try:
                if operation.id in searches:
                    yield from _search(staff, operation.id, searches[operation.id], planted, kind, subject)
                else:
                    yield _listing(staff, operation.id, planted, kinds, subject)
            except Unobservable as unobservable:
                yield NotObserved(subject, unobservable.reason, _EXPECTED)
    finally:
        api.remove_planted()


_EXPECTED = "shows nothing that a customer wrote"


def _planted(api: Api, kind: str) -> PlantedTenant:
    planted = api.plant(api.acting()[0].tenant, kind)
    if kind not in planted.ids():
        raise Unobservable(planted.missing()[kind])
    return planted


def _refused(staff: Staff, who: str, planted: PlantedTenant, reason: str | None, subject: str) -> Finding | NotObserved:
    expected = "refused, and nothing that was written is shown"
    try:
        reply = staff.read(who, planted.ids(), reason)
    except Unobservable as unobservable:
        return NotObserved(subject, unobservable.reason, expected)
    if planted.canaries() & set(reply.shows):
        return Finding(subject, False, expected, f"answered {reply.status} with what was written", seen=(reply,))
    if reply.worked:
        return Finding(subject, False, expected, f"answered {reply.status}, as if it were allowed", seen=(reply,))
    if not reply.refused:
        return NotObserved(subject, f"answered {reply.status}, which is no refusal here", expected, seen=(reply,))
    return Finding(subject, True, expected, f"refused with {reply.status}", seen=(reply,))


def _listing(
    staff: Staff, operation: str, planted: PlantedTenant, kinds: tuple[str, ...], subject: str
) -> Finding | NotObserved:
    reply = staff.call(operation, staff.able(operation).name, planted.ids())
    if planted.canaries() & set(reply.shows):
        return Finding(subject, False, _EXPECTED, f"answered {reply.status} with what was written", seen=(reply,))
    if not reply.worked:
        return NotObserved(subject, f"answered {reply.status}", _EXPECTED, seen=(reply,))
    named = _named(reply.text, planted.ids())
    if kinds and not set(named) - set(kinds):
        reason = "the answer names nothing that was made, so that it could not have shown what was written"
        return NotObserved(subject, reason, _EXPECTED, seen=(reply,))
    observed = f"names the {' and the '.join(named)}, without what was written" if named else "shows nothing of it"
    return Finding(subject, True, _EXPECTED, observed, seen=(reply,))


def _search(
    staff: Staff, operation: str, parameter: str, planted: PlantedTenant, kind: str, subject: str
) -> Iterator[Finding | NotObserved]:
    who, objects = staff.able(operation).name, planted.ids()
    control = staff.call(operation, who, objects, replaced={f"query {parameter}": objects[kind]})
    by_word = staff.call(operation, who, objects)
    for reply, what in ((by_word, "a word that was written"), (control, "the identifier")):
        asked = f"{subject}, for {what}"
        if planted.canaries() & set(reply.shows):
            yield Finding(asked, False, _EXPECTED, "the search shows what was written", seen=(reply,))
        elif not reply.worked:
            yield NotObserved(asked, f"answered {reply.status}", _EXPECTED, seen=(reply,))
        elif objects[kind] not in control.text:
            reason = f"the search does not find the {kind} by its identifier, so that finding nothing shows nothing"
            yield NotObserved(asked, reason, _EXPECTED, seen=(reply, control))
        elif reply is by_word and objects[kind] in reply.text:
            yield Finding(asked, False, _EXPECTED, f"the search finds the {kind} by what was written", seen=(reply,))
        else:
            yield Finding(asked, True, _EXPECTED, "nothing that was written is shown", seen=(reply, control))


def _named(text: str, objects: Mapping[str, str]) -> tuple[str, ...]:
    """The kinds of planted object whose identifier stands in a text."""
    return tuple(kind for kind, identifier in objects.items() if identifier in text)
