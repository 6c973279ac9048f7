"""Runs over all states of the lattice: every status, waived or not, with and without findings, whole or broken off."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from hypothesis import strategies as st

from upheld.model import Basis, ClaimResult, Run, Status, Verdict, Waiver

from ..reporting import sample

PROVES = {
    Status.UPHELD: Verdict.PASS,
    Status.ATTESTED: Verdict.PASS,
    Status.REFUTED: Verdict.FAIL,
    Status.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    Status.LAPSED: Verdict.PASS,
}
FINDINGS = ("none", "one", "mixed")
WAIVED = ("no", "claim", "check", "finding", "expired")


def claim(status: Status, findings: str = "one", waived: str = "no", name: str = "the-claim") -> ClaimResult:
    """A claim as a run could hold it: of that status, with findings that give it, and a waiver that covers so much."""
    basis = Basis.ATTESTED if status is Status.ATTESTED else Basis.OBSERVED
    checks = ()
    if status in PROVES and findings != "none":
        made = [sample.finding(PROVES[status])]
        if findings == "mixed":
            made.append(sample.finding(Verdict.PASS, "another"))
            if status in {Status.REFUTED, Status.INCONCLUSIVE}:
                made.append(sample.finding(Verdict.INCONCLUSIVE, "a third"))
        checks = (sample.check(PROVES[status], *made, claim=name, basis=basis),)
    elif status in PROVES and PROVES[status] is not Verdict.PASS:
        broken = sample.check(PROVES[status], claim=name)  # It broke off before it found anything.
        checks = (dataclasses.replace(broken, findings=(), observations=()),)
    waiver = Waiver(
        claim=name,
        reason="It is replaced in spring.",
        approver="Head of Security",
        expires="2026-04-30",
        check="tls.refuses_old_versions" if waived in {"check", "finding"} else "",
        subject="api (api.example.com:443)" if waived == "finding" else "",
        expired=waived == "expired",
    )
    waivers = () if waived == "no" else (waiver,)
    return sample.claim(status, id=name, checks=checks, waivers=waivers)


def run(*claims: ClaimResult, complete: bool = True, selected: tuple[str, ...] = ()) -> Run:
    """A run of these claims; one that broke off has planned a check more than it has results."""
    made = sample.run(*claims, complete=complete, selected=selected)
    return dataclasses.replace(made, planned=made.planned + (not complete))


def states() -> Iterator[tuple[Status, str, str, bool, bool]]:
    """Every status × findings × waived × complete × over selected claims."""
    yield from itertools.product(Status, FINDINGS, WAIVED, (True, False), (True, False))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    """Any run at all, also ones that no audit makes, whose checks say something else than their claim."""
    words = st.sampled_from(["plain", *sample.HOSTILE.values()])
    verdicts = st.sampled_from(Verdict)
    claims = []
    for number in range(draw(st.integers(0, 4))):
        checks = []
        for verdict in draw(st.lists(verdicts, max_size=3)):
            findings = [
                sample.finding(one, draw(words), observed=draw(words), reason=draw(words))
                for one in draw(st.lists(verdicts.filter(lambda one: one != "not applicable"), max_size=4))
            ]
            check = sample.check(verdict, claim=f"c{number}", reason=draw(words), calibrated=draw(st.booleans()))
            checks.append(dataclasses.replace(check, findings=tuple(findings), basis=draw(st.sampled_from(Basis))))
        waiver = Waiver(f"c{number}", draw(words), "Head", "2026-04-30", expired=draw(st.booleans()))
        claims.append(
            sample.claim(
                draw(st.sampled_from(Status)),
                id=f"c{number}",
                checks=tuple(checks),
                statement=draw(words),
                section=draw(words),
                reason=draw(words),
                waivers=(waiver,) if draw(st.booleans()) else (),
            )
        )
    made = sample.run(*claims, complete=draw(st.booleans()), selected=("c0",) if draw(st.booleans()) else ())
    return dataclasses.replace(made, planned=made.planned + draw(st.integers(0, 1)))
