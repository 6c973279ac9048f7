"""The ratchet: what an earlier run had refuted already is not this change's, as far as it can be told to be the same.

A finding is the same by its fingerprint (claim, check, subject). One that stands in a file is the same where the line on which it stood
is there still, wherever the file and the line have moved to. A line that was changed, and whatever cannot be told apart, counts as new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

from upheld.exporting.places import Place
from upheld.gating.baseline import Baseline, Failed
from upheld.gating.checkout import Moves
from upheld.model import CheckResult, ClaimResult, FindingRecord, Run, Status, Verdict


class Ratchet:
    """What a baseline run had found."""

    def __init__(self, baseline: Baseline, moves: Moves | None = None) -> None:
        """`moves` say where its files and lines are now; without them a finding in a file is known only where it has not moved."""
        self.baseline = baseline
        self._known: Counter[tuple[str, ...]] = Counter()
        self._untold: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str]] = set()
        self._claims = {claim.id: claim for claim in baseline.claims}
        for claim in baseline.claims:
            for finding in claim.failed:
                self._note(claim.id, finding, moves)
            for check, verdict in claim.checks:
                (self._untold if verdict is Verdict.INCONCLUSIVE else self._told).add((claim.id, check))

    def knew(self, claim: str, check: str, finding: FindingRecord, place: Place | None) -> bool:
        """Whether the baseline had this finding; each that it had excuses one."""
        names = [_at(claim, check, finding.subject, place)] if place else [("", finding.fingerprint)]
        for name in names:
            if self._known[name] > 0:
                self._known[name] -= 1
                return True
        return False

    def never_told(self, claim: str, check: CheckResult) -> bool:
        """Whether this check came to no verdict in the baseline either; one that broke off then says nothing of it."""
        at = (claim, check.id)
        return self.baseline.whole and at in self._untold and at not in self._told

    def no_better(self, claim: ClaimResult) -> bool:
        """Whether the claim was no better in the baseline, though no check of it says so."""
        before = self._claims.get(claim.id)
        worse = {Status.LAPSED, Status.UNCOVERED, Status.ATTESTED, Status.INCONCLUSIVE}
        return (
            before is not None
            and self.baseline.whole
            and before.status in worse
            and before.status.rank >= claim.status.rank
        )

    def no_longer(self, run: Run) -> Iterator[tuple[str, str, str]]:
        """Checks of claims that the baseline has and `run` has not, where it was not told to leave them out."""
        asked = {(claim.id, check.id) for claim in run.claims for check in claim.checks}
        for claim in self.baseline.claims:
            if not claim.gated or (run.selected and claim.id not in run.selected):
                continue
            for name in dict.fromkeys(check for check, _ in claim.checks):
                if (claim.id, name) not in asked:
                    yield claim.id, claim.statement, name

    def _note(self, claim: str, finding: Failed, moves: Moves | None) -> None:
        if not finding.path:
            self._known["", finding.fingerprint] += 1
            return
        path, number = finding.path, finding.line
        # Without a way to tell where its line went, it is known only by where it was, and that may be another line now.
        if moves is None:
            return
        has_line = finding.subject.endswith(f":{number}")
        now = moves.of(path, number) if has_line else _file(moves, path)
        if now is not None:
            moved = (
                finding.subject.replace(f"{path}:{number}", "\0") if has_line else finding.subject.replace(path, "\0")
            )
            self._known[claim, finding.check, moved, now[0], str(now[1] if has_line else 0)] += 1


def _at(claim: str, check: str, subject: str, place: Place) -> tuple[str, ...]:
    path, number = unquote(place.uri), place.line
    if subject.endswith(f":{number}"):
        return claim, check, subject.replace(f"{path}:{number}", "\0"), path, str(number)
    return claim, check, subject.replace(path, "\0"), path, "0"


def _file(moves: Moves, path: str) -> tuple[str, int] | None:
    return None if path in moves.gone else (moves.renamed.get(path, path), 0)
