"""What of a run a customer is told, by a list of what may be told: all else stays in the tree, withheld and counted.

Of a shown claim its head is opened (the sentence, where it is published, status and basis), of each of its checks the head, if the check is
calibrated, and of each finding the verdict. A check that is not calibrated may be the issuer's own code, whose sentence nobody
published: of such a one only verdict, basis and numbers are told. The head of the run is not opened, for it names the target.
"""

from __future__ import annotations

import difflib
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from pydantic_core import from_json

from upheld.errors import InputError, Mistake
from upheld.evidence.keys import SigningKey
from upheld.evidence.leaves import Leaf, counts, leaves
from upheld.evidence.tree import Opened, Tree, Withheld, salt
from upheld.model import Run, Status
from upheld.reporting import run_json
from upheld.reporting.headline import checks
from upheld.sharing.reasons import classes
from upheld.strength import of_run

FORMAT = "upheld-share/1"
LONGEST_AUDIENCE = 120
GOOD_FOR, GOOD_FOR_MOST = timedelta(days=90), timedelta(days=366)
"""How long after the audit a share is good where nothing else is asked for, and how long at the most."""
_ENVIRONMENTS = frozenset({"production", "staging", "reference"})
_RUN = ("id", "started", "finished", "complete", "planned", "policy")


@dataclass(frozen=True, slots=True)
class Terms:
    """To whom a run is shown, on which day, until the end of which day (UTC) it is good, and which claims (none named: all)."""

    audience: str
    day: date
    expires: date
    claims: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.audience.strip() or len(self.audience) > LONGEST_AUDIENCE or not self.audience.isprintable():
            expected = f"a name of 1 to {LONGEST_AUDIENCE} characters on one line"
            raise InputError([Mistake("--audience", 0, 0, "names nobody", got=ascii(self.audience), expected=expected)])
        if self.expires < self.day:
            raise InputError(
                [Mistake("--expires", 0, 0, "is over already", got=str(self.expires), expected=f"{self.day} or later")]
            )


@dataclass(frozen=True, slots=True)
class Told:
    """What is told: the predicate to be signed, the leaves that are opened, and what stands for the others."""

    predicate: Mapping[str, Any]
    opened: tuple[Opened, ...]
    withheld: tuple[Withheld, ...]

    @property
    def root(self) -> str:
        """The root of the tree, in hexadecimal."""
        return str(self.predicate["tree"]["root"])


def disclose(run: Run, terms: Terms, key: SigningKey | None) -> Told:
    """What `run` tells under these terms; with a key the tree is the one of the bundle that it signs.

    Raises InputError for a claim that the run does not have, and for an expiry that is too long after the audit.
    """
    if terms.expires > (last := audited(run) + GOOD_FOR_MOST):
        message = "is too long after the audit for what it found"
        raise InputError([Mistake("--expires", 0, 0, message, str(terms.expires), f"{last} or before")])
    document = run_json.dumps(run)
    found = list(leaves(from_json(document)))
    seed = key.seed(document) if key is not None else _seed(document)
    tree = Tree.over((leaf.data for leaf in found), seed)
    shown = _shown(run, terms.claims)
    indices = list(_opened(found, shown))
    opened = tuple(Opened(index, salt(seed, index), found[index].data) for index in indices)
    return Told(_predicate(run, terms, shown, tree, found), opened, tree.withheld(indices))


def audited(run: Run) -> date:
    """The day (UTC) on which the audit ended."""
    return datetime.fromisoformat(run.finished).astimezone(UTC).date()


def end_of(day: date) -> str:
    """The last instant of a day, in RFC 3339."""
    return datetime.combine(day, time(23, 59, 59), UTC).isoformat().replace("+00:00", "Z")


def _shown(run: Run, wanted: Sequence[str]) -> frozenset[str]:
    """The claims that are shown: the wanted ones, and those that decide them, for a roll-up without its parts says nothing."""
    by_id = {claim.id: claim for claim in run.claims}
    unknown = [name for name in wanted if name not in by_id]
    if unknown:
        raise InputError(
            Mistake("--claims", 0, 0, "the run has no such claim", got=repr(name), nearest=_nearest(name, by_id))
            for name in unknown
        )
    waiting, shown = list(wanted or by_id), set[str]()
    while waiting:
        name = waiting.pop()
        if name in by_id and name not in shown:
            shown.add(name)
            waiting.extend(by_id[name].decided_by)
    return frozenset(shown)


def _nearest(name: str, names: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(names), n=1)), "")


def _opened(found: Sequence[Leaf], shown: frozenset[str]) -> Iterable[int]:
    """The numbers of the leaves that may be opened."""
    claim = ""
    for number, leaf in enumerate(found):
        if leaf.kind == "claim":
            claim = leaf.content["claim"]
        if claim not in shown:
            continue
        if leaf.kind in {"claim", "finding"} or (leaf.kind == "check" and leaf.content["calibrated"]):
            yield number


def _predicate(run: Run, terms: Terms, shown: frozenset[str], tree: Tree, found: Sequence[Leaf]) -> dict[str, Any]:
    results = checks(run)
    kinds = counts(found)
    return {
        "format": FORMAT,
        "audience": terms.audience,
        "shared": terms.day.isoformat(),
        "expires": end_of(terms.expires),
        "run": {name: getattr(run, name) for name in _RUN},
        "policyDigest": run.policy_digest,
        "environment": run.target.environment if run.target.environment in _ENVIRONMENTS else "undeclared",
        "caveats": {
            "reported": len(results),
            "sabotages": len(run.target.sabotages),
            "selected": len(run.selected),
            **({"policyClaims": run.policy_claims} if run.policy_claims is not None else {}),
            "samples": len(run.target.samples),
            "uncalibrated": sum(not one.calibrated for one in results),
            "waivers": len(run.waivers),
            "overrides": len(run.overrides),
            "notes": len(run.notes),
            "weaker": len({claim for claim, _ in of_run(run)}),
        },
        "claims": _counted(claim.status for claim in run.claims),
        "shown": _counted(claim.status for claim in run.claims if claim.id in shown),
        "withheld": _counted(claim.status for claim in run.claims if claim.id not in shown),
        "told": {
            claim.id: {
                "reasons": classes(claim.checks),
                "unnamed": {
                    one.key: {
                        "basis": one.basis,
                        "verdict": one.verdict,
                        "started": one.started,
                        "found": one.population.found,
                        "probed": one.population.probed,
                    }
                    for one in claim.checks
                    if not one.calibrated
                },
            }
            for claim in run.claims
            if claim.id in shown
        },
        "tree": {"root": tree.root.hex(), "leaves": len(tree), "kinds": kinds},
    }


def _counted(statuses: Iterable[Status]) -> dict[str, int]:
    """How many there are of each status, every status named."""
    found = Counter(statuses)
    return {status.value: found[status] for status in Status}


def _seed(document: bytes) -> bytes:
    """A seed without a key: whoever can make it has the whole run already."""
    return hmac.digest(b"upheld-share/1 seed of salts without a key", hashlib.sha512(document).digest(), "sha256")
