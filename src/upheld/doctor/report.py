"""A diagnosis for a reader: as text, with what to add to the target, and as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator

from upheld.doctor.advice import example
from upheld.doctor.diagnosis import ClaimState, Diagnosis, Outlook, ProbeState, Standing
from upheld.reporting.text import safe

FORMAT = "upheld-doctor/1"
_SHAPES = {Standing.WORKS: "✓", Standing.BROKEN: "✗", Standing.LACKING: "○", Standing.UNTRIED: "?"}
_NAMED = 5
_REPEATED = 3


def as_json(diagnosis: Diagnosis) -> str:
    """The diagnosis as one JSON object, with the example for each part that is lacking."""
    data = dataclasses.asdict(diagnosis)
    data["lacks"] = [
        {"part": part, "claims": list(claims), "example": example(part)} for part, claims in diagnosis.lacks
    ]
    data["secrets"] = [{"part": part, "reason": reason} for part, reason in diagnosis.secrets]
    return json.dumps({"format": FORMAT, "ready": diagnosis.ready, **data}, indent=1, ensure_ascii=False)


def as_text(diagnosis: Diagnosis) -> str:
    """The diagnosis for a terminal: probes, claims that will be inconclusive, what to add, what was not tried."""
    return "\n".join(line.rstrip() for line in _lines(diagnosis))


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    yield f"{safe(diagnosis.target)} ({diagnosis.environment}), tried out for the policy {safe(diagnosis.policy)}"
    yield ""
    works = sum(one.standing is Standing.WORKS for one in diagnosis.probes)
    yield f"PROBES ({works} of {len(diagnosis.probes)} work)"
    width = max((len(one.name) for one in diagnosis.probes), default=0)
    shown: set[str] = set()
    for state in diagnosis.probes:
        yield from _probe(state, width, shown)
    if diagnosis.secrets:
        yield ""
        yield "SECRETS THAT ARE NOT THERE"
        for part, reason in diagnosis.secrets:
            yield f"  {part}: {safe(reason)}"
    for outlook, title in (
        (Outlook.INCONCLUSIVE, "CLAIMS THAT WILL BE INCONCLUSIVE"),
        (Outlook.IN_DOUBT, "CLAIMS THAT MAY BE INCONCLUSIVE"),
    ):
        found = [one for one in diagnosis.claims if one.outlook is outlook]
        if found:
            yield ""
            yield f"{title} ({len(found)} of {len(diagnosis.claims)})"
            for claim in found:
                yield from _claim(claim)
    uncovered = [one.id for one in diagnosis.claims if one.outlook is Outlook.UNCOVERED]
    if uncovered:
        yield ""
        yield f"UNCOVERED: no check decides {', '.join(uncovered)}"
    if diagnosis.reset:
        yield ""
        yield f"RESET: upheld clean --reset puts the whole deployment back, by {safe(diagnosis.reset)}; it is done only when asked for, and was not tried"
    yield from _advice(diagnosis)
    yield ""
    ready = sum(one.outlook is Outlook.READY for one in diagnosis.claims)
    rest = (
        "" if diagnosis.ready else f"; something stands in the way of {len(diagnosis.claims) - ready - len(uncovered)}"
    )
    yield f"everything that was tried works for {ready} of {len(diagnosis.claims)} claims{rest}"
    yield "This says nothing of whether a claim is true: what can be seen may refute any of them, and what was not tried may still fail."


def _probe(state: ProbeState, width: int, shown: set[str]) -> Iterator[str]:
    """The lines of a probe; what works and was `shown` of another one already is counted only."""
    head = f"  {_SHAPES[state.standing]} {state.name:<{width}}"
    if state.standing is Standing.LACKING:
        yield f"{head}  the target describes no {', no '.join(one.replace('_', ' ') for one in state.lacks)}"
        return
    indent = " " * len(head)
    again = {str(one) for one in state.tried if one.works and str(one) in shown}
    shown |= {str(one) for one in state.tried}
    if len(again) < _REPEATED:
        again = set()
    said = [f"{'' if one.works else '✗ '}{safe(one, 300)}" for one in state.tried if str(one) not in again]
    if again:
        said.append(f"and {len(again)} that work, as above")
    if state.untried:
        said.append(f"not tried: {state.untried}")
    for number, line in enumerate(said or ["works"]):
        yield f"{indent if number else head}  {line}"


def _claim(claim: ClaimState) -> Iterator[str]:
    yield f"  {claim.id}  “{safe(claim.statement, 100)}”"
    checks: dict[str, dict[str, None]] = {}
    for one in claim.obstacles:
        checks.setdefault(one.reason, {})[one.check] = None
    for reason, names in checks.items():
        yield f"    {safe(reason, 300)}  ({_some(tuple(names))})"
    if not claim.obstacles:
        yield f"    decided by {', '.join(claim.decided_by)}"


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _advice(diagnosis: Diagnosis) -> Iterator[str]:
    no_reset = diagnosis.reset == ""
    if not (diagnosis.lacks or diagnosis.forbidden or no_reset):
        return
    yield ""
    yield "WHAT TO ADD TO THE TARGET (examples; see docs/target.md)"
    for part, claims in diagnosis.lacks:
        yield f"# for {_some(claims)}"
        yield example(part) or f"{part}:  # see docs/target.md"
    if diagnosis.forbidden:
        yield "# intrusive checks, which run in production only where they are named:"
        yield f"allow_intrusive: [{', '.join(diagnosis.forbidden)}]"
    if no_reset:
        yield "# to put everything back at once, should checks leave something that cannot be undone (upheld clean --reset):"
        yield example("reset")
