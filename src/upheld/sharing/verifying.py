"""Verifying a share: what holds of it and what does not; offline, and by keys that the reader names.

The order is one of trust, as for a bundle: first the signature, and nothing is looked at that no named key answers for.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upheld.evidence import statements
from upheld.evidence.container import Damaged
from upheld.evidence.keys import Issuer
from upheld.evidence.leaves import KINDS
from upheld.evidence.tree import root_of
from upheld.evidence.verifying import Point, Verification
from upheld.model import Status, Verdict
from upheld.sharing import document, html, pdf
from upheld.sharing.disclosing import FORMAT
from upheld.sharing.document import Share
from upheld.sharing.view import headline_of, notices


@dataclass
class Checked:
    """What a share was found to be: the points in their order, and what it says, where an issuer answers for it."""

    points: list[Point] = field(default_factory=list)
    predicate: Mapping[str, Any] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    """What it says of the whole run, and what a reader must know beside it."""
    reached: bool = False
    """Whether everything was looked at."""

    @property
    def holds(self) -> bool:
        """Whether all holds."""
        return self.reached and all(point.holds is True for point in self.points)

    def note(self, flaws: Sequence[str], good: str) -> bool:
        """Note each flaw, or what is good where there is none; gives whether there is none."""
        self.points += [Point(False, flaw) for flaw in flaws] or [Point(True, good)]
        return not flaws


def read(path: Path) -> bytes:
    """The bytes of the share at `path`; raises OSError where it cannot be read."""
    with path.open("rb") as stream:
        return stream.read(document.LARGEST + 1)


def verify(data: bytes, issuers: Sequence[Issuer], *, now: datetime | None = None) -> Checked:
    """What a share (its page, its PDF, or the machine-readable part alone) is worth to a reader who pins these issuers."""
    found = Checked()
    moment = now or datetime.now(UTC)
    try:
        if len(data) > document.LARGEST:
            raise Damaged(f"the file is larger than {document.LARGEST >> 20} MiB")
        page, part, signer = _parts(found, data, issuers)
        share = document.loads(part)
        said = _signed(found, share, [signer] if signer is not None else issuers, moment)
        if said is not None:
            _page(found, said, page)
            _contents(found, share, said)
            found.says = (headline_of(found.predicate).text, *notices(found.predicate, signed=True))
            found.reached = True
    except Damaged as damaged:
        found.points.append(Point(False, str(damaged)))
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError):
        # It is signed, and still not what this version writes.
        found.points.append(Point(False, "what is signed is not shaped like a share"))
    return found


def compare(found: Checked, whole: Verification) -> None:
    """Note whether a share is one of the run in a bundle that its reader has too; a bundle that does not hold compares with nothing."""
    flaws: list[str] = []
    if not whole.holds:
        flaws.append("the bundle does not hold by itself, so nothing was compared with it")
    else:
        said, of_bundle = found.predicate, whole.statement["predicate"]
        target = of_bundle["target"]
        pairs = {
            "the root of the tree": (said["tree"]["root"], of_bundle["tree"]["root"]),
            "the run": (said["run"], of_bundle["run"]),
            "the policy": (said["policyDigest"], of_bundle["policyDigest"]),
            "the numbers of claims": (said["claims"], of_bundle["claims"]),
            "the number of selected claims": (said["caveats"]["selected"], len(of_bundle["selected"])),
            "the number of claims in the policy": (said["caveats"].get("policyClaims"), of_bundle.get("policyClaims")),
            "the number of seeded defects": (said["caveats"]["sabotages"], len(target["sabotages"])),
            "the number of samples": (said["caveats"]["samples"], len(target["samples"])),
            "the environment": (said["environment"], target["environment"]),
        }
        flaws += [f"{name}: the bundle has another one" for name, (mine, other) in pairs.items() if mine != other]
    found.note(flaws, "it is of the run in the bundle, whose claims are as many of each status")


def _parts(found: Checked, data: bytes, issuers: Sequence[Issuer]) -> tuple[bytes | None, bytes, Issuer | None]:
    """The page without its machine-readable part, where it is one; that part; and whose key signed the PDF, where it is one."""
    if data.startswith(b"{"):
        return None, data, None
    if data.startswith(b"%PDF-"):
        signing = pdf.signing()
        says, signer = signing.verified(data, issuers)
        found.points.append(Point(True, says))
        return None, signing.attached(data, pdf.ATTACHED), signer
    return *html.taken_apart(data), None


def _signed(found: Checked, share: Share, issuers: Sequence[Issuer], now: datetime) -> dict[str, Any] | None:
    """What an issuer whom the reader pins signed; None where nobody of these did."""
    if not share.signed:
        found.points.append(Point(False, "nobody signed it"))
        return None
    sealed = statements.unseal(share.sealed, "the envelope")
    opened = sealed.opened(issuers)
    if opened is None:
        says = f"it is not signed with a key that you named, but, as it says itself, with {str(sealed.keyid)[:64]}"
        found.points.append(Point(False, f"{says}; nothing in it was looked at"))
        return None
    issuer, said = opened
    predicate = said.get("predicate", {})
    if said.get("predicateType") != document.PREDICATE or predicate.get("format") != FORMAT:
        raise Damaged(f"what is signed is no statement of the format {FORMAT}")
    name = f" ({issuer.name})" if issuer.name else ""
    found.points.append(Point(True, f"it is signed with the key that you named: {issuer.fingerprint}{name}"))
    if issuer.valid_after is not None or issuer.valid_before is not None:
        found.note([flaw] if (flaw := issuer.flaw(now)) else [], "the key counts now")
    expires = datetime.fromisoformat(str(predicate["expires"]))
    until = f"{expires:%Y-%m-%d %H:%M} UTC"
    found.note([f"it expired on {until}"] if now >= expires else [], f"it is good until {until}")
    found.predicate = predicate
    return said


def _page(found: Checked, said: Mapping[str, Any], page: bytes | None) -> None:
    if page is None:
        return
    expected = {one["name"]: one["digest"] for one in said["subject"]}[document.PAGE]["sha256"]
    same = hmac.compare_digest(html.digest(page), str(expected))
    found.note([] if same else ["the page is not the one that is signed for"], "the page is the one that is signed for")


def _contents(found: Checked, share: Share, said: Mapping[str, Any]) -> None:
    """Whether the leaves lead to the signed root, and the numbers are those of the leaves."""
    predicate = said["predicate"]
    tree, kinds = predicate["tree"], predicate["tree"]["kinds"]
    try:
        root = root_of(tree["leaves"], share.opened, share.withheld).hex()
    except ValueError as error:
        raise Damaged(f"the leaves are not those of a tree: {error}") from None
    expected = {one["name"]: one["digest"] for one in said["subject"]}["leaves"][statements.TREE]
    flaws = [] if root == tree["root"] == expected else ["the leaves do not lead to the root that is signed"]
    contents = document.leaves(share.opened)
    told = Counter(one["leaf"] for one in contents)
    if set(kinds) != set(KINDS) or sum(kinds.values()) != tree["leaves"]:
        flaws.append("the leaves that are signed for are not as many as the tree has")
    flaws += [f"more leaves are told than are signed for: {kind}" for kind in told if told[kind] > kinds.get(kind, 0)]
    withheld = tree["leaves"] - len(contents)
    good = f"{len(contents):,} leaves that are told and {withheld:,} that are withheld lead to the signed root"
    if found.note(flaws, good):
        numbers = _numbers(predicate, contents)
        found.note(
            numbers, "every claim of the run is counted, shown or withheld, and no status is better than its checks"
        )


def _numbers(predicate: Mapping[str, Any], contents: Sequence[Mapping[str, Any]]) -> list[str]:
    heads = {one["claim"]: Status(one["status"]) for one in contents if one["leaf"] == "claim"}
    shown = Counter(heads.values())
    flaws: list[str] = []
    for status in Status:
        of = [predicate[name][status.value] for name in ("claims", "shown", "withheld")]
        if any(type(count) is not int or count < 0 for count in of) or of[0] != of[1] + of[2]:
            flaws.append(f"the numbers of {status.value} claims do not add up")
        if of[1] != shown[status]:
            flaws.append(f"{shown[status]} {status.value} claims are told, and {of[1]} signed for")
    if sum(predicate["claims"].values()) != predicate["tree"]["kinds"]["claim"]:
        flaws.append("the tree has another number of claims than are counted")
    if set(predicate["told"]) != set(heads):
        flaws.append("something is told of other claims than are shown")
    verdicts = [(one["claim"], one["key"], Verdict(one["verdict"])) for one in contents if one["leaf"] == "check"]
    for claim, of_claim in predicate["told"].items():
        verdicts += [(claim, key, Verdict(one["verdict"])) for key, one in of_claim["unnamed"].items()]
    if not any(predicate["withheld"].values()) and len(verdicts) != predicate["tree"]["kinds"]["check"]:
        flaws.append("the tree has another number of checks than are told")
    of_key = {key: verdict for _, key, verdict in verdicts}
    flaws += [
        f"a check is told to be better than its findings: {of_key[one['key']].value}"
        for one in contents
        if one["leaf"] == "finding" and _worse(Verdict(one["verdict"]), of_key[one["key"]])
    ]
    least = {Verdict.FAIL: Status.REFUTED, Verdict.INCONCLUSIVE: Status.INCONCLUSIVE}
    flaws += [
        f"a claim is told to be better than its checks: {heads[claim].value}"
        for claim, _, verdict in verdicts
        if claim in heads and verdict in least and heads[claim].rank < least[verdict].rank
    ]
    return list(dict.fromkeys(flaws))


def _worse(finding: Verdict, check: Verdict) -> bool:
    """Whether a finding is worse than its check."""
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
    return finding in order and check in order and order.index(finding) > order.index(check)
