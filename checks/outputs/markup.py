"""Whether text that somebody wrote stays text where pages show it."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Api
from upheld.probes.browsing import Browsing, Mark, Planted, Shown

_EXPECTED = "it is shown as text: no element comes of it, and no script runs"


@check(basis=OBSERVED, intrusive=True)
def stored_markup_comes_back_encoded(browsing: Browsing, api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """Markup that is stored through the API or put into a link is shown as text by every page, in a real browser.

    Decides: whether what one person writes becomes elements, or runs as a script, in the browser of another who opens the
    pages and data that show it; and likewise for what a link puts into a page.

    How: each piece of markup of a data file is stored in the objects that the target says pages show, then every page and
    all data is opened in a headless browser as somebody who is logged in. An element of the name in the markup, or a page
    whose title a script changed, shows that it was taken for markup. Pages that repeat a parameter are opened with the
    markup in it. The browser has no network but the harness's own, and first shows (control) a page that takes it for markup.

    Refuted by: an element or a script that comes of the markup, also where a policy keeps the script from running.

    Cannot see: pages, fields and parameters that the target does not name, what only appears after a click, and other
    browsers. Markup that no page shows has shown nothing, and is not observed.

    References: OWASP WSTG-INPV-01 and -02, CWE-79, CWE-116.
    """
    control = browsing.control()
    if not (control.elements and control.ran):
        raise Unobservable(
            "the browser does not show a page that takes markup for markup, so that it would see nothing"
        )
    try:
        for index in range(browsing.markup_count()):
            yield from _stored(browsing, browsing.plant(index))
        for echo in browsing.echoes():
            try:
                shown = browsing.open_echo(echo)
            except Unobservable as unobservable:
                yield NotObserved(echo, unobservable.reason, _EXPECTED)
                continue
            if echo.word in (*shown.elements, *shown.ran):
                yield Finding(echo, False, _EXPECTED, _taken(echo.word, shown), seen=(control, shown))
            elif shown.status >= 500 or echo.word not in shown.words:
                reason = f"it answered {shown.status}, and does not show what was put in"
                if 400 <= shown.status < 500:
                    yield Finding(echo, True, _EXPECTED, f"refused with {shown.status}", seen=(control, shown))
                else:
                    yield NotObserved(echo, reason, _EXPECTED, seen=(shown,))
            else:
                yield Finding(echo, True, _EXPECTED, "shown as text", seen=(control, shown))
    finally:
        api.remove_planted()


def _stored(browsing: Browsing, planted: Planted) -> Iterator[Finding | NotObserved | LeftOut]:
    """What each document makes of one piece of markup in each kind of object; one that none shows is not observed."""
    seen: set[Mark] = set()
    words = tuple(one.word for one in planted.marks)
    for document in planted.documents:
        try:
            shown = browsing.open(document, words)
        except Unobservable as unobservable:
            yield NotObserved(f"{document.template}", unobservable.reason, _EXPECTED)
            continue
        if shown.status != 200:
            yield NotObserved(document.template, f"it answered {shown.status}", _EXPECTED, seen=(shown,))
            continue
        for mark in planted.marks:
            subject = f"{document.template}: {mark}"
            if mark.word in (*shown.elements, *shown.ran):
                yield Finding(subject, False, _EXPECTED, _taken(mark.word, shown), seen=(planted, shown))
            elif mark.word in shown.words:
                yield Finding(subject, True, _EXPECTED, f"shown as text, as {shown.media_type}", seen=(planted, shown))
            else:
                continue
            seen.add(mark)
    for mark in planted.marks:
        if mark not in seen:
            yield NotObserved(
                mark, "no page and no data shows it, so that nothing is known of how it is shown", _EXPECTED
            )
    for reason in planted.missing:
        yield NotObserved(reason, "it was not stored, so that nothing can show it", _EXPECTED)


def _taken(word: str, shown: Shown) -> str:
    what = "a script in it ran" if word in shown.ran else "it became an element, though no script of it ran"
    return f"{what} on {shown.media_type} answered with {shown.status}"
