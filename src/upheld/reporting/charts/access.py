"""Who may do what, and who reaches whose: roles by operations, and tenants by operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from upheld.model import CheckResult, Observation, Plain, Verdict
from upheld.reporting.charts.drawing import heat_chart
from upheld.reporting.charts.parts import (
    MOST_COLUMNS,
    MOST_ROWS,
    Cell,
    Chart,
    Grid,
    Shade,
    counted,
    entry,
    items,
    looks,
    words,
)
from upheld.reporting.headline import several

STRANGER = "a stranger"
_CALLS = {("api", "call"), ("api", "harmless"), ("access", "anonymous")}
_WORST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)
_FOREIGN = re.compile(r"(?P<operation>[^\s(]+)(?: \([^)]*\))?: (?P<where>.+) of (?P<other>.+), as (?P<own>.+)")


@dataclass
class _Tried:
    """What came of the calls of one operation as one role."""

    answers: dict[str, bool] = field(default_factory=dict)  # By status: whether it refused.
    wrong: bool = False
    unseen: list[str] = field(default_factory=list)

    def cell(self) -> Cell:
        refused = set(self.answers.values())
        said = ", ".join(f"{'refused' if no else 'let in'} ({status})" for status, no in self.answers.items())
        said = "; ".join([*([said] if said else []), *(f"not observed: {one}" for one in self.unseen[:1])])
        if self.wrong:
            return Cell(" ".join(self.answers), Shade.BAD, f"{said}, against what is declared")
        if self.unseen or len(refused) != 1:
            return Cell(" ".join(self.answers) or "?", Shade.UNSEEN, said)
        return Cell(" ".join(self.answers), Shade.OUT if refused == {True} else Shade.IN, said)


def roles(checks: Sequence[CheckResult]) -> Chart | None:
    """Which role each operation let in, from the calls that the findings rest on."""
    declared = {
        str(pair[0]): {str(role) for role in items(pair[1])}
        for one in looks(checks, "access", "matrix")
        for pair in map(items, items(entry(one.value, "operations")))
        if len(pair) == 2
    }
    order = [str(role) for one in looks(checks, "access", "matrix") for role in items(entry(one.value, "roles"))]
    role_of = {
        words(member, "name"): words(member, "role")
        for one in looks(checks, "access", "members")
        for member in items(one.value)
    }
    tried: dict[tuple[str, str], _Tried] = {}
    verdicts: dict[str, set[Verdict]] = {}
    undrawn = 0
    for check in checks:
        by_id = {one.id: one for one in check.observations}
        for finding in check.findings:
            calls = [
                one for name in finding.observations if (one := by_id.get(name)) and (one.probe, one.look) in _CALLS
            ]
            drawn = False
            for one in calls:
                operation = words(one.arguments, "operation")
                role = STRANGER if one.look == "anonymous" else role_of.get(words(one.arguments, "identity"), "")
                if not operation or not role:
                    continue
                drawn = True
                verdicts.setdefault(operation, set()).add(finding.verdict)
                _try(tried.setdefault((operation, role), _Tried()), one, finding.verdict, declared.get(operation), role)
            undrawn += not drawn
    if not tried:
        return None
    columns = tuple(dict.fromkeys([*(one for one in order if one in {role for _, role in tried}), STRANGER]))
    columns = tuple(dict.fromkeys([*columns, *sorted({role for _, role in tried})]))[:MOST_COLUMNS]
    operations = sorted(verdicts, key=lambda name: min(_WORST.index(one) for one in verdicts[name] if one in _WORST))
    grid = Grid(
        "operation",
        tuple(operations[:MOST_ROWS]),
        columns,
        {(operation, role): one.cell() for (operation, role), one in tried.items()},
    )
    return heat_chart(
        "roles",
        "Roles and operations",
        f"Whom each of {several(len(operations), 'operation')} let in: the statuses that came back to each role, in all tenants.",
        checks,
        grid,
        key=(
            (Shade.BAD, "against what is declared, in a failing finding"),
            (Shade.UNSEEN, "not observed, or not the same everywhere"),
            (Shade.IN, "let in"),
            (Shade.OUT, "refused"),
        ),
        left=_left(undrawn, len(operations)),
    )


def tenants(checks: Sequence[CheckResult]) -> Chart | None:
    """How often each tenant asked each operation for another tenant's things, and the worst that came of it."""
    found: dict[tuple[str, str], list[Verdict]] = {}
    undrawn = 0
    for check in checks:
        for finding in check.findings:
            said = _FOREIGN.fullmatch(finding.subject)
            if said is None:
                undrawn += 1
                continue
            pair = f"{said['own']} asks for {said['other']}'s"
            found.setdefault((said["operation"], pair), []).append(finding.verdict)
    if not found:
        return None
    cells = {names: _worst(verdicts) for names, verdicts in found.items()}
    worst: dict[str, int] = {}
    for (operation, _), verdicts in found.items():
        worst[operation] = min(worst.get(operation, 9), *(_WORST.index(one) for one in verdicts if one in _WORST))
    operations = sorted(worst, key=lambda name: worst[name])
    pairs = tuple(dict.fromkeys(pair for _, pair in found))
    grid = Grid("operation", tuple(operations[:MOST_ROWS]), pairs[:MOST_COLUMNS], cells)
    return heat_chart(
        "tenants",
        "Tenants and operations",
        f"In how many places of each of {several(len(operations), 'operation')} another tenant's identifier was put, and whether it was refused.",
        checks,
        grid,
        key=(
            (Shade.BAD, "something was given or changed"),
            (Shade.UNSEEN, "not observed"),
            (Shade.GOOD, "refused each time"),
        ),
        left=" ".join(
            filter(
                None,
                [
                    _left(undrawn, len(operations)),
                    counted(len(pairs) - MOST_COLUMNS, "pairs of tenants") if len(pairs) > MOST_COLUMNS else "",
                ],
            )
        ),
    )


def _try(tried: _Tried, call: Observation, verdict: Verdict, allowed: set[str] | None, role: str) -> None:
    answer: Plain = entry(call.value, "reply") if call.look == "anonymous" else call.value
    status, refused = entry(answer, "status"), entry(answer, "refused")
    if not call.seen or not isinstance(refused, bool):
        tried.unseen.append(call.reason or "no answer")
        return
    tried.answers.setdefault(str(status), refused)
    if verdict is Verdict.FAIL and allowed is not None and (role in allowed) is refused:
        tried.wrong = True


def _worst(verdicts: Sequence[Verdict]) -> Cell:
    worst = min(verdicts, key=lambda one: _WORST.index(one) if one in _WORST else 1)
    many = len(verdicts)
    said = {
        Verdict.PASS: f"refused in {several(many, 'place')}",
        Verdict.FAIL: f"not refused in {sum(one is Verdict.FAIL for one in verdicts)} of {several(many, 'place')}",
    }.get(worst, f"not observed in {sum(one is not Verdict.PASS for one in verdicts)} of {several(many, 'place')}")
    return Cell(str(many), Shade.of(worst), said)


def _left(undrawn: int, operations: int) -> str:
    parts = [f"{several(undrawn, 'finding')} of the check cannot be drawn here and stand above." if undrawn else ""]
    parts.append(counted(max(0, operations - MOST_ROWS), "operations"))
    return " ".join(filter(None, parts))
