"""The outcome in words: one line for each broken promise in a terminal, GitHub's annotations, and Markdown for people."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

from upheld.exporting.places import Place
from upheld.exporting.writing import markdown
from upheld.gating.outcome import BROKEN, HOLDS, UNREACHABLE, Broken, Outcome, Undecided, by_claim
from upheld.reporting.headline import several
from upheld.reporting.text import safe

_TEXT = 300
_MOST = 50
"""Lines that are shown of one kind; the others are counted."""
_MOST_ANNOTATIONS = 10
"""GitHub shows so many of one kind for each step."""


def lines(outcome: Outcome) -> Iterator[str]:
    """What a terminal shows."""
    for one in outcome.broken[:_MOST]:
        yield _line(one)
    yield from _rest(len(outcome.broken), "broken promise")
    for undecided in outcome.undecided[:_MOST]:
        yield _line_of_undecided(undecided)
    yield from _rest(len(outcome.undecided), "thing that was not told", "things that were not told")
    for note in outcome.run.notes:
        yield safe(note, 2 * _TEXT)
    yield f"{conclusion(outcome)} ({looked(outcome)})"


def conclusion(outcome: Outcome) -> str:
    """The outcome in one sentence."""
    counting = [one for one in outcome.broken if one.counts]
    others = len(outcome.broken) - len(counting)
    undecided = [one for one in outcome.undecided if one.counts]
    if outcome.code == BROKEN:
        claims = len(by_claim(counting))
        made = "This change breaks" if outcome.baseline else "Broken:"
        text = f"{made} {several(claims, 'promise')}, by {several(len(counting), 'finding')}"
    elif outcome.code == HOLDS:
        text = "No promise is broken by this change" if outcome.baseline else "No promise is broken"
    elif outcome.code == UNREACHABLE:
        text = f"The target was not reached, so {several(len(undecided), 'check')} could not be made: that is not this change's doing"
    else:
        text = f"{several(len(undecided), 'thing')} could not be told, so nothing is claimed either way"
    return f"{text}; {several(others, 'finding')} not counted" if others else text


def looked(outcome: Outcome) -> str:
    """What was looked at and what was taken over."""
    parts = [f"{several(outcome.looked, 'check')} looked"]
    parts += [f"{outcome.cached} cached"] if outcome.cached else []
    parts += [f"{outcome.carried} carried"] if outcome.carried else []
    return ", ".join([*parts, f"{outcome.run.seconds:.1f} s"])


def github(outcome: Outcome) -> Iterator[str]:
    """GitHub's workflow commands that put what counts beside the lines of a change."""
    counting = [one for one in outcome.broken if one.counts]
    for one in counting[:_MOST_ANNOTATIONS]:
        where = _file(one.place)
        text = f"“{safe(one.statement, _TEXT)}” does not hold: {safe(one.subject, _TEXT)}: {safe(one.observed, _TEXT)}"
        yield _command("error", {**where, "title": f"Breaks the promise {one.claim}"}, text)
    open_ones = [one for one in outcome.undecided if one.counts]
    for undecided in open_ones[:_MOST_ANNOTATIONS]:
        title = "The target was not reached" if undecided.unreachable else f"Not told: {undecided.claim}"
        yield _command("warning", {"title": title}, f"{undecided.check}: {safe(undecided.reason, _TEXT)}")
    more = max(0, len(counting) - _MOST_ANNOTATIONS) + max(0, len(open_ones) - _MOST_ANNOTATIONS)
    if more:
        yield _command("notice", {"title": "upheld gate"}, f"{several(more, 'annotation')} not shown; see the summary")


def comment(outcome: Outcome) -> str:
    """Markdown for a job's summary or the comment on a merge request; nothing that a target sent acts in it."""
    shown = {BROKEN: "❌", HOLDS: "✅"}.get(outcome.code, "❓")
    parts = ["<!-- upheld gate -->", f"### {shown} {_plain(conclusion(outcome))}", ""]
    counting = [one for one in outcome.broken if one.counts]
    for claim, found in by_claim(counting).items():
        first = found[0]
        parts.append(f"**“{_plain(first.statement)}”** ({_plain(claim)}, {first.severity.value})")
        parts += [f"- {_item(one)}" for one in found[:_MOST]]
        parts += [f"- and {several(len(found) - _MOST, 'more finding')}"] if len(found) > _MOST else []
        parts.append("")
    open_ones = [one for one in outcome.undecided if one.counts]
    if open_ones:
        parts += ["**Not told**", *(f"- {_plain(_undecided(one))}" for one in open_ones[:_MOST])]
        parts += [f"- and {len(open_ones) - _MOST:,} more"] if len(open_ones) > _MOST else []
        parts.append("")
    excused = [one for one in outcome.broken if not one.counts]
    aside = [one for one in outcome.undecided if not one.counts]
    if excused or aside:
        parts += ["<details><summary>Not this change's, or accepted</summary>", ""]
        parts += [f"- {_plain(one.claim)}: {_item(one)} ({_plain(one.excuse)})" for one in excused[:_MOST]]
        parts += [f"- {_plain(_undecided(one))} ({_plain(one.excuse)})" for one in aside[:_MOST]]
        more = max(0, len(excused) - _MOST) + max(0, len(aside) - _MOST)
        parts += [f"- and {more:,} more"] if more else []
        parts += ["", "</details>", ""]
    parts += [f"{_plain(note)}  " for note in outcome.run.notes]
    parts += [f"{_plain(looked(outcome))}; run {_plain(outcome.run.id)} of {_plain(outcome.run.target.name)}"]
    return "\n".join(parts) + "\n"


def _line(one: Broken) -> str:
    where = f"{unquote(one.place.uri)}:{one.place.line}: " if one.place else ""
    about = "".join(f" [{word}]" for word in (one.excuse, "flaky" if one.flaky else "", one.origin) if word)
    text = f"{where}breaks “{one.statement}” ({one.claim}, {one.severity.value}): {one.subject}: {one.observed}"
    return f"{safe(text, 3 * _TEXT)} [{safe(one.check)}]{safe(about)}"


def _line_of_undecided(one: Undecided) -> str:
    about = f" [{safe(one.excuse)}]" if one.excuse else ""
    return f"not told: {safe(_undecided(one), 2 * _TEXT)}{about}"


def _undecided(one: Undecided) -> str:
    check = f" {one.check}" if one.check else ""
    return f"“{one.statement}” ({one.claim}){check}: {one.reason}"


def _item(one: Broken) -> str:
    where = f"`{_code(unquote(one.place.uri))}:{one.place.line}` " if one.place else ""
    flaky = " (flaky: it passed when it was asked once more)" if one.flaky else ""
    return f"{where}{_plain(one.subject)}: {_plain(one.observed)}; expected {_plain(one.expected)}{flaky}"


def _plain(text: str) -> str:
    return markdown(text, _TEXT)


def _code(text: str) -> str:
    return safe(text, _TEXT).replace("`", "'")


def _file(place: Place | None) -> dict[str, str]:
    return {"file": unquote(place.uri), "line": str(place.line)} if place else {}


def _command(name: str, properties: dict[str, str], text: str) -> str:
    """A workflow command, in which neither the text nor a property can end it or begin another one."""
    told = ",".join(f"{key}={_escaped(value, ':,')}" for key, value in properties.items())
    return f"::{name} {told}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    spelled = safe(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    for sign in more:
        spelled = spelled.replace(sign, f"%{ord(sign):02X}")
    return spelled


def _rest(count: int, one: str, many: str = "") -> Iterator[str]:
    if count > _MOST:
        yield f"and {count - _MOST:,} more {many or f'{one}s'}"
