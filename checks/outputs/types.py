"""Whether answers say what they are, so that no browser has to guess."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api
from upheld.probes.api_input import ApiInput, Typed
from upheld.probes.browsing import Browsing

_MARKUP = ("text/html", "application/xhtml+xml", "text/xml", "application/xml", "image/svg+xml")
_EXPECTED = "the declared media type, no page where data is meant, and X-Content-Type-Options: nosniff"


@check(basis=OBSERVED, intrusive=True)
def answers_say_what_they_are(api_input: ApiInput, api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every operation answers with a media type that its document declares, and forbids browsers to guess another.

    Decides: whether an answer of the API, a refusal too, could be taken for a page by a browser.

    How: each operation is called without credentials, so that it refuses, and each that changes nothing is called validly
    too. The Content-Type is compared with what the document declares for that status, and a body that says that it is JSON
    is read as JSON.

    Refuted by: another media type than the declared ones; a body without one; HTML or XML that nobody declared; JSON that is
    none; a missing or different X-Content-Type-Options.

    Cannot see: answers that are not provoked here, such as those of a crash.

    References: WHATWG Fetch §3.6 (nosniff), RFC 9110 §8.3, CWE-79, CWE-430, OWASP API8:2023.
    """
    actor = api.acting()[0]
    try:
        planted = api.plant(actor.tenant)
        for case in api.cases():
            if case.left_out:
                yield LeftOut(case, case.left_out)
                continue
            try:
                existing = dict(api.existing(case.id, actor.tenant)) if case.existing else {}
                found = api_input.typed(case, actor.name, {**planted.ids(), **existing})
            except Unobservable as unobservable:
                yield NotObserved(case, unobservable.reason, _EXPECTED)
                continue
            wrong = [told for one in found if (told := _wrong(one))]
            if wrong:
                yield Finding(case, False, _EXPECTED, "; ".join(wrong), seen=(found,))
            elif any(one.status >= 500 for one in found):
                yield NotObserved(case, "it is broken: " + ", ".join(str(one.status) for one in found), _EXPECTED)
            else:
                told = ", ".join(f"{one.status} {one.media_type or 'without a body'}" for one in found)
                yield Finding(case, True, _EXPECTED, f"{told}, nosniff", seen=(found,))
    finally:
        api.remove_planted()


@check(basis=OBSERVED, intrusive=True)
def data_for_pages_is_no_page(browsing: Browsing, api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """What pages fetch as data is served as data and never as HTML, and pages forbid browsers to guess.

    Decides: whether opening the address of data in a browser could make a page of it.

    How: as somebody who is logged in, every page and all data that the target names is fetched once.

    Refuted by: data with a media type of markup or without one, data that is no JSON though it says so, or an answer without
    X-Content-Type-Options: nosniff.

    Cannot see: pages and data that the target does not name.

    References: WHATWG Fetch §3.6 (nosniff), RFC 9110 §8.3, CWE-79, CWE-430.
    """
    try:
        for one in browsing.documents():
            subject = f"{'data' if one.data else 'page'} {one.template}"
            try:
                answer = browsing.get(one)
            except Unobservable as unobservable:
                yield NotObserved(subject, unobservable.reason, _EXPECTED)
                continue
            nosniff = (answer.header("x-content-type-options") or "").strip().lower() == "nosniff"
            if answer.status != 200:
                yield NotObserved(subject, f"it answered {answer.status}", _EXPECTED, seen=(answer,))
                continue
            wrong = [] if nosniff else ["without X-Content-Type-Options: nosniff"]
            if not answer.media_type:
                wrong.append("without a Content-Type")
            elif one.data and answer.media_type in _MARKUP:
                wrong.append(f"data served as {answer.media_type}")
            told = "; ".join(wrong) or f"{answer.media_type}, nosniff"
            yield Finding(subject, not wrong, _EXPECTED, told, seen=(answer,))
    finally:
        api.remove_planted()


def _wrong(one: Typed) -> str:
    """What is wrong with how one answer is labelled; empty when nothing is."""
    told = []
    if not one.nosniff:
        told.append("without X-Content-Type-Options: nosniff")
    if one.size and not one.media_type:
        told.append("a body without a Content-Type")
    elif one.size and one.declared and one.media_type not in one.declared:
        told.append(f"{one.media_type} where {' or '.join(one.declared)} is declared")
    elif one.size and not one.declared and one.media_type in _MARKUP:
        told.append(f"{one.media_type}, which nobody declared")
    if not one.readable:
        told.append(f"{one.media_type} that is none")
    return f"answered {one.status} " + ", ".join(told) if told else ""
