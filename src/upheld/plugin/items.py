"""pytest's view of a policy: the file, its claims, and one item for each planned check.

pytest has no official API for test items out of a data file that also work with every fixture scope. What stands here
was measured against the alternatives: a Module whose module is empty, and Functions made with `callobj`. It uses one
private name (`Module._getobj`), so `tests/upheld/plugin/test_contract.py` pins what is relied upon.
"""

from __future__ import annotations

import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr

from upheld.model import CheckResult, PlannedCheck, Verdict
from upheld.plugin.brief import Workshop


class CheckRefuted(Exception):
    """A check made a failing finding."""


class CheckInconclusive(Exception):
    """A check came to no verdict."""


def _decides() -> None:
    """Stand in as the function of an item; what is run is `CheckItem.runtest`."""


class PolicyFile(pytest.Module):
    """A policies.yaml that was named on the command line."""

    workshop: Workshop

    def _getobj(self) -> types.ModuleType:
        return types.ModuleType(self.path.stem)

    def collect(self) -> Iterator[ClaimNode]:
        """One node for each claim that has checks, in the policy's order."""
        by_claim: dict[str, list[PlannedCheck]] = {}
        for planned in self.workshop.plan:
            by_claim.setdefault(planned.claim, []).append(planned)
        for claim, checks in by_claim.items():
            node: ClaimNode = ClaimNode.from_parent(self, name=claim)
            node.planned, node.workshop = checks, self.workshop
            yield node


class ClaimNode(pytest.Collector):
    """One claim of the policy."""

    planned: list[PlannedCheck]
    workshop: Workshop

    def collect(self) -> Iterator[CheckItem]:
        """One item for each check of the claim."""
        names = [one.check for one in self.planned]
        for number, planned in enumerate(self.planned, 1):
            # Two uses of one check differ by their parameters; the number tells their node ids apart.
            name = planned.check if names.count(planned.check) == 1 else f"{planned.check}[{number}]"
            yield CheckItem.from_parent(self, name=name, callobj=_decides, planned=planned, workshop=self.workshop)


class CheckItem(pytest.Function):
    """One planned check as a pytest item. Its identity is `planned.key`, never its node id."""

    def __init__(self, *, planned: PlannedCheck, workshop: Workshop, **options: Any) -> None:
        super().__init__(**options)
        self.planned = planned
        self.workshop = workshop
        self.result: CheckResult | None = None

    def runtest(self) -> None:
        """Run the check; raises CheckRefuted or CheckInconclusive so that pytest counts it as failed, never as skipped."""
        self.result = self.workshop.run(self.planned)
        if self.result.verdict is Verdict.FAIL:
            raise CheckRefuted(self.result.reason)
        if self.result.verdict is Verdict.INCONCLUSIVE:
            raise CheckInconclusive(self.result.reason)
        if self.result.verdict is Verdict.NOT_APPLICABLE:
            from upheld.reporting.text import safe  # noqa: PLC0415  (seldom needed)

            pytest.skip(f"not applicable, says the policy: {safe(self.result.reason)}")

    def repr_failure(self, excinfo: ExceptionInfo[BaseException]) -> str | TerminalRepr:  # type: ignore[override]
        """The finding, not a traceback; a traceback, without secrets, only for what is no verdict."""
        if self.result is not None and isinstance(excinfo.value, CheckRefuted | CheckInconclusive):
            return explain(self.result, self.workshop.brief.statements.get(self.planned.claim, ""))
        # Not as pytest does it: it shows the values of variables, and cuts them in the midst of secrets, whose halves nobody knows.
        at = excinfo.traceback[-1]
        said = "".join(traceback.format_exception(excinfo.value))
        return self.workshop.clean(f"{said}\n{at.path}:{at.lineno + 1}: {excinfo.typename}")

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The policy, the line at which it names the check, and the item's name."""
        return self.path, (self.planned.line - 1 if self.planned.line else None), f"{self.planned.claim}::{self.name}"


def explain(result: CheckResult, statement: str) -> str:
    """A refused or undecided check as a person reads it: the promise, the check, and each finding that did not pass."""
    from upheld.reporting.text import safe  # noqa: PLC0415  (only failures need it)

    word = "REFUTED" if result.verdict is Verdict.FAIL else "INCONCLUSIVE"
    lines = [f"{word} {result.claim}: “{safe(statement)}”", f"  {result.id}: {safe(result.title)}"]
    shown = [one for one in result.findings if one.verdict is not Verdict.PASS]
    for one in shown:
        lines.append(f"  - {safe(one.subject)}")
        lines.append(f"      expected: {safe(one.expected)}")
        lines.append(
            f"      observed: {safe(one.observed)}"
            if one.verdict is Verdict.FAIL
            else f"      not observed: {safe(one.reason)}"
        )
    if not shown:
        lines.append(f"  reason: {safe(result.reason)}")
    return "\n".join(lines)
