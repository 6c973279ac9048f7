"""What page and PDF show: made from what is told and from nothing else, so that neither can show what is withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from upheld.model import Basis, ClaimResult, Run, Severity, Status, TargetSummary, Verdict
from upheld.reporting.headline import BASES, MEANINGS, WORST_FIRST, Headline, headline, several
from upheld.reporting.text import safe
from upheld.sharing import document
from upheld.sharing.disclosing import Told
from upheld.sharing.reasons import CLASSES, OTHER

FRAMEWORKS = {"soc2": "SOC 2", "iso27001": "ISO 27001", "popia": "POPIA", "gdpr": "GDPR"}
LONGEST = 2000
"""Characters that are shown of any one text."""

UNPROVEN = (
    "that what was audited is what its customers use: the issuer says what the audit was pointed at",
    "that the issuer made no other run and left it out",
    "that what an attested or recorded claim rests on is true: somebody wrote or signed it",
    "that the checks find every defect: the defects that they are known to catch are counted at each claim",
    "when it was made: the dates are the issuer's word",
)
"""What a share does not prove, whatever verifies."""

_GROUPS: tuple[tuple[str, str, frozenset[Status]], ...] = (
    ("What does not hold", "doubt", frozenset({Status.REFUTED})),
    (
        "What is not decided",
        "open",
        frozenset({Status.INCONCLUSIVE, Status.LAPSED, Status.UNCOVERED}),
    ),
    ("What somebody vouches for", "sworn", frozenset({Status.ATTESTED})),
    ("What holds", "good", frozenset({Status.UPHELD})),
)
_ENVIRONMENTS = {
    "staging": "What was audited is a staging environment",
    "reference": "What was audited is the reference deployment that comes with the auditing tool",
}
_UNDECLARED = "What was audited is an environment that the issuer did not declare"
_RESULTS = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.NOT_APPLICABLE: "does not apply",
}

_COUNTED = (
    ("waivers", "waiver", "The issuer lists {}; a waiver changes no status on this page."),
    ("overrides", "parameter", "{} of the policy's checks changed by an overlay."),
    ("weaker", "claim", "{} with words that promise more than what was checked."),
    ("notes", "note", "The audit left {} of its own, withheld here."),
)
"""What is told of things that are only counted. Shares of before one of them was counted do not have it."""


@dataclass(frozen=True, slots=True)
class ShownCheck:
    """One check of a shown claim; `title` is empty where it is not told."""

    title: str
    basis: str
    result: str
    tone: Status
    on: str
    numbers: str
    calibrated: bool


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """One claim that is shown; `explained` says in fixed words what its status means here."""

    statement: str
    section: str
    status: Status
    basis: str
    frameworks: tuple[str, ...]
    explained: tuple[str, ...]
    caught: str
    checks: tuple[ShownCheck, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """Claims that stand in one section of the published page."""

    name: str
    claims: tuple[ShownClaim, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Claims of like statuses, by section."""

    title: str
    anchor: str
    count: int
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many claims came to a status, how many of them are shown and how many withheld."""

    status: Status
    all: int
    shown: int
    withheld: int


@dataclass(frozen=True, slots=True)
class View:
    """Everything that is shown, in words."""

    policy: str
    environment: str
    audience: str
    shared: str
    expires: str
    headline: Headline
    notices: tuple[str, ...]
    counts: tuple[Counts, ...]
    claims: int
    withheld: int
    groups: tuple[Group, ...]
    kept_back: tuple[tuple[str, int, int], ...]
    run: str
    audited: str
    period: str
    checks: str
    leaves: int
    root: str
    key: str
    meanings: tuple[tuple[Status, str], ...] = tuple((one, MEANINGS[one]) for one in WORST_FIRST)
    bases: tuple[tuple[Basis, str], ...] = tuple(BASES.items())
    unproven: tuple[str, ...] = UNPROVEN

    @property
    def told(self) -> str:
        """How many claims are shown and withheld, in a sentence."""
        hidden = ", ".join(f"{one.withheld} {one.status.value}" for one in self.counts if one.withheld)
        of = f" ({hidden})" if hidden else ""
        shown = self.claims - self.withheld
        return (
            f"{several(self.claims, 'claim')} in all, {shown} shown and {self.withheld} withheld{of}. "
            "Each stands below word for word as it was published."
        )

    @property
    def watermark(self) -> str:
        """What stands across every page."""
        return f"For {self.audience} · {self.shared}"


def view_of(told: Told, key: str) -> View:
    """What is shown of what is told; `key` is the fingerprint of the key that signs it, or empty."""
    predicate = told.predicate
    counted = {name: predicate[name] for name in ("claims", "shown", "withheld")}
    contents = document.leaves(told.opened)
    run, kinds = predicate["run"], predicate["tree"]["kinds"]
    claims = _claims(contents, predicate["told"])
    opened = {kind: sum(one["leaf"] == kind for one in contents) for kind in kinds}
    return View(
        policy=_text(run["policy"]),
        environment=_text(predicate["environment"]),
        audience=_text(predicate["audience"]),
        shared=_text(predicate["shared"]),
        expires=day(predicate["expires"]),
        headline=headline_of(predicate),
        notices=notices(predicate, signed=bool(key)),
        counts=tuple(
            Counts(one, *(counted[name][one.value] for name in ("claims", "shown", "withheld"))) for one in WORST_FIRST
        ),
        claims=sum(counted["claims"].values()),
        withheld=sum(counted["withheld"].values()),
        groups=tuple(_groups(claims)),
        kept_back=tuple((words, opened[kind], kinds[kind]) for kind, words in _KINDS.items() if kinds[kind]),
        run=_text(run["id"]),
        audited=day(run["started"]),
        period=f"{moment(run['started'])} to {moment(run['finished'])}",
        checks=f"{run['planned']:,} planned, {predicate['caveats']['reported']:,} reported",
        leaves=predicate["tree"]["leaves"],
        root=told.root,
        key=key,
    )


_KINDS = {
    "run": "the run's head, which names the target",
    "run-detail": "the run's details: versions, notes, waivers",
    "claim": "claims: sentence, status, basis",
    "claim-detail": "claims: owner, reason, notes",
    "check": "checks: sentence, verdict, numbers",
    "check-detail": "checks: parameters, reason, what was left out",
    "finding": "findings: verdict",
    "finding-detail": "findings: subject, what was expected and observed",
    "observation": "raw observations",
}


def headline_of(predicate: Mapping[str, Any]) -> Headline:
    """The sentence about the whole run, in the words and by the rules of every other view."""
    statuses = [status for status in Status for _ in range(predicate["claims"][status.value])]
    run, reported = predicate["run"], predicate["caveats"]["reported"]
    # Only statuses and completeness count there; a run with another number of results than planned is not whole.
    found = headline(
        Run(
            format="",
            id="",
            started="",
            finished="",
            seconds=0,
            complete=run["complete"] and run["planned"] == reported,
            target=TargetSummary("", "", "", "", ""),
            policy="",
            policy_digest="",
            versions={},
            planned=0,
            claims=tuple(ClaimResult("", "", "", Severity.LOW, "", {}, one, None, "", ()) for one in statuses),
        )
    )
    if not predicate["caveats"]["selected"]:
        return found
    # A customer has no other view of the policy: that claims were left out of the audit itself must not stand below.
    of = predicate["caveats"].get("policyClaims")
    which = f" ({len(statuses)} of the policy's {of})" if of else ""
    return Headline(f"Selected claims only{which}: {found.text[0].lower()}{found.text[1:]}", found.tone)


def notices(predicate: Mapping[str, Any], *, signed: bool) -> tuple[str, ...]:
    """What a reader must know beside the headline, weightiest first; numbers where the internal report has names."""
    run, caveats = predicate["run"], predicate["caveats"]
    withheld = {name: count for name, count in predicate["withheld"].items() if count}
    said: list[str] = []
    if not signed:
        said.append("Nobody signed this page: nothing shows who made it, nor that it was not changed.")
    if not run["complete"]:
        said.append("The audit did not complete. What it did not reach is inconclusive.")
    if run["planned"] != caveats["reported"]:
        said.append(
            f"{several(run['planned'], 'check')} planned, but {several(caveats['reported'], 'result')} reported."
        )
    if caveats["sabotages"]:
        said.append(
            f"The deployment was started with {several(caveats['sabotages'], 'defect')} put in on purpose: this is a trial of the audit."
        )
    if predicate["environment"] != "production":
        said.append(f"{_ENVIRONMENTS.get(predicate['environment'], _UNDECLARED)}, not production.")
    if caveats["selected"]:
        audited, of = sum(predicate["claims"].values()), caveats.get("policyClaims")
        which = (
            f"{audited:,} of the {several(of, 'claim')} of its policy" if of else "a selection of the policy's claims"
        )
        said.append(f"The issuer audited only {which}. Those that it left out are not counted here.")
    if withheld:
        words = ", ".join(f"{withheld[one.value]} {one.value}" for one in WORST_FIRST if one.value in withheld)
        count = several(sum(withheld.values()), "claim")
        said.append(f"Not shown here, but counted in every number on this page: {count} ({words}).")
    if caveats["samples"]:
        said.append(f"Recorded samples, not this deployment, stand in for {several(caveats['samples'], 'thing')}.")
    if caveats["uncalibrated"]:
        said.append(
            f"{caveats['uncalibrated']:,} of {several(caveats['reported'], 'check')} not calibrated: nothing shows yet that they can fail."
        )
    said += [words.format(several(count, noun)) for name, noun, words in _COUNTED if (count := caveats.get(name))]
    return tuple(said)


def day(stamp: object) -> str:
    """The day of an RFC 3339 stamp; anything else as it is."""
    try:
        return datetime.fromisoformat(str(stamp)).date().isoformat()
    except ValueError:
        return _text(stamp)


def moment(stamp: object) -> str:
    """An RFC 3339 stamp in UTC to the minute; anything else as it is."""
    try:
        return f"{datetime.fromisoformat(str(stamp)):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return _text(stamp)


def _claims(contents: Sequence[Mapping[str, Any]], told: Mapping[str, Any]) -> list[ShownClaim]:
    """The shown claims, in the order of the tree."""
    heads = {one["claim"]: one for one in contents if one["leaf"] == "claim"}
    named: dict[str, list[Mapping[str, Any]]] = {name: [] for name in heads}
    verdicts: dict[str, dict[str, int]] = {}
    for one in contents:
        if one["leaf"] == "check":
            named[one["claim"]].append(one)
        elif one["leaf"] == "finding":
            of = verdicts.setdefault(one["key"], {})
            of[one["verdict"]] = of.get(one["verdict"], 0) + 1
    return [_claim(head, named[name], told[name], verdicts) for name, head in heads.items()]


def _claim(
    head: Mapping[str, Any],
    named: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    verdicts: Mapping[str, Mapping[str, int]],
) -> ShownClaim:
    status = Status(head["status"])
    checks = [
        _check(one, verdicts.get(one["key"], {}), one["population"], _text(one["title"]), calibrated=True)
        for one in named
    ]
    checks += [_check(one, verdicts.get(key, {}), one, "", calibrated=False) for key, one in told["unnamed"].items()]
    checks.sort(key=lambda one: -one.tone.rank)
    failed = sum(
        verdicts.get(key, {}).get(Verdict.FAIL, 0) for key in [*(one["key"] for one in named), *told["unnamed"]]
    )
    return ShownClaim(
        statement=_text(head["statement"]),
        section=_text(head["section"]),
        status=status,
        basis=_text(head["basis"] or ""),
        frameworks=tuple(
            f"{FRAMEWORKS.get(name, _text(name))} {', '.join(_text(one) for one in points)}"
            for name, points in head["references"].items()
        ),
        explained=tuple(_explained(head, status, failed, told["reasons"])),
        caught=_caught(head, named) if checks else "",
        checks=tuple(checks),
    )


def _explained(head: Mapping[str, Any], status: Status, failed: int, reasons: Mapping[str, int]) -> list[str]:
    said = [] if status is Status.UPHELD else [MEANINGS[status]]
    if failed:
        said.append(f"{several(failed, 'finding')} failed.")
    if reasons and status is not Status.UPHELD:
        words = "; ".join(f"{name if name in CLASSES else OTHER} ({count:,})" for name, count in reasons.items())
        said.append(f"Not observed, by class of reason: {words}.")
    if head["decided_by"]:
        said.append(f"Decided by {several(len(head['decided_by']), 'other claim')}, of which the worst counts.")
    return said


def _caught(head: Mapping[str, Any], named: Sequence[Mapping[str, Any]]) -> str:
    seeded = head["sabotages_seeded"]
    caught = {name for one in named for name in one["sabotages_caught"]}
    if not seeded:
        return "no defect was seeded against it"
    return f"caught {sum(name in caught for name in seeded)} of {several(len(seeded), 'seeded defect')}"


def _check(
    one: Mapping[str, Any], verdicts: Mapping[str, int], population: Mapping[str, int], title: str, *, calibrated: bool
) -> ShownCheck:
    verdict = Verdict(one["verdict"])
    passed, failed, unseen = (verdicts.get(name, 0) for name in (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE))
    words = [(failed, "failed"), (unseen, "not observed"), (passed, "passed")]
    numbers = several(passed + failed + unseen, "finding")
    if passed + failed + unseen:
        numbers += f": {', '.join(f'{count:,} {word}' for count, word in words if count)}"
    if population["found"]:
        numbers += f"; {population['probed']:,} of {several(population['found'], 'subject')} judged"
    basis = Basis(one["basis"])
    sworn = verdict is Verdict.PASS and basis is Basis.ATTESTED
    tones = {
        Verdict.PASS: Status.ATTESTED if sworn else Status.UPHELD,
        Verdict.FAIL: Status.REFUTED,
        Verdict.INCONCLUSIVE: Status.INCONCLUSIVE,
        Verdict.NOT_APPLICABLE: Status.UNCOVERED,
    }
    return ShownCheck(
        title,
        basis.value,
        "attested" if sworn else _RESULTS[verdict],
        tones[verdict],
        day(one["started"]),
        numbers,
        calibrated,
    )


def _groups(claims: Sequence[ShownClaim]) -> list[Group]:
    """The claims worst first, and within likes by section in the order of the published page."""
    found: list[Group] = []
    for title, anchor, statuses in _GROUPS:
        of = [one for one in claims if one.status in statuses]
        by: dict[str, list[ShownClaim]] = {}
        for one in sorted(of, key=lambda one: -one.status.rank) if anchor == "open" else of:
            by.setdefault(one.section, []).append(one)
        if of:
            found.append(
                Group(title, anchor, len(of), tuple(Section(name, tuple(of_it)) for name, of_it in by.items()))
            )
    return found


def _text(value: object) -> str:
    return safe(value, LONGEST)
