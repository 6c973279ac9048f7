"""Verifying a bundle: what holds of it, what does not, and what it does not prove; offline, and by keys that the reader names.

The order is one of trust: the file, the signature under the statement, and then only what the statement names by digest. A bundle that
is not signed by a named key is not looked into, for nobody answers for what is in it.
"""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from upheld.evidence import bundle, consistency, inputs, keyless, statements, timestamps
from upheld.evidence.container import Damaged, Part, read, unpack
from upheld.evidence.keyless import NotVouched, Pinned
from upheld.evidence.keys import Issuer
from upheld.evidence.leaves import KINDS, leaves
from upheld.evidence.statements import Sealed
from upheld.evidence.timestamps import NoTimestamp
from upheld.evidence.tree import Tree, leaf_hash, salt


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was looked at: whether it holds, and in words. `holds` is None for what the reader did not ask for."""

    holds: bool | None
    says: str


@dataclass
class Verification:
    """What a bundle was found to be: the points in their order, and what it says, where an issuer answers for it."""

    points: list[Point] = field(default_factory=list)
    statement: Mapping[str, Any] = field(default_factory=dict)
    issuer: Issuer | None = None
    existed: datetime | None = None
    """When it existed already, by a timestamp that verified."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """The parts that the statement names, where every one of them is what it names."""

    @property
    def holds(self) -> bool:
        """Whether all holds: there is nothing that does not, and the contents were reached."""
        return bool(self.contents) and all(point.holds is not False for point in self.points)

    def note(self, flaws: Iterable[str], good: str) -> bool:
        """Note each flaw, or what is good where there is none; gives whether there is none."""
        found = [Point(False, flaw) for flaw in flaws if flaw]
        self.points += found or [Point(True, good)]
        return not found


def verify(
    path: Path,
    pinned: Sequence[Issuer] | Pinned,
    *,
    now: datetime | None = None,
    authorities: Sequence[x509.Certificate] = (),
) -> Verification:
    """What the bundle at `path` is worth to a reader who pins these keys, or an identity; raises OSError where it cannot be read.

    `authorities` are the certificates of timestamp authorities that the reader trusts.
    """
    return verify_data(read(path), pinned, now=now, authorities=authorities)


def verify_data(
    data: bytes,
    pinned: Sequence[Issuer] | Pinned,
    *,
    now: datetime | None = None,
    authorities: Sequence[x509.Certificate] = (),
) -> Verification:
    """As `verify`, of the bytes of a bundle."""
    found = Verification()
    moment = now or datetime.now(UTC)
    try:
        parts = unpack(data)
        found.points.append(Point(True, f"the file is whole: {len(parts)} parts, and nothing besides"))
        if _signed(found, parts, pinned, moment, authorities) and _named(found, parts):
            _contents(found, parts)
    except Damaged as damaged:
        found.contents = {}
        found.points.append(Point(False, str(damaged)))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        # Only what an issuer signed gets this far; a part of it is of a kind that no run has there.
        found.contents = {}
        found.points.append(Point(False, "what is signed is not shaped like a run"))
    return found


def _signed(
    found: Verification,
    parts: Mapping[str, Part],
    pinned: Sequence[Issuer] | Pinned,
    now: datetime,
    authorities: Sequence[x509.Certificate],
) -> bool:
    """The signature under the run's statement, and whether it counts now; the rest is looked at only where it is the issuer's."""
    raw = _small(parts, bundle.RUN_STATEMENT)
    sealed = statements.unseal(raw, bundle.RUN_STATEMENT)
    issuers = _vouched(found, parts, raw, sealed, pinned) if isinstance(pinned, Pinned) else pinned
    if isinstance(pinned, Pinned) and not issuers:
        return False
    opened = sealed.opened(issuers)
    flaw = _foreign(sealed, issuers, vouched=bundle.SIGSTORE in parts) if opened is None else ""
    if not found.note([flaw], _by(opened[0], pinned) if opened else ""):
        return False
    assert opened is not None  # noqa: S101  (a flaw was noted otherwise)
    found.issuer, found.statement = opened
    known = found.statement.get("predicateType") == statements.RUN_PREDICATE
    if not known or _predicate(found).get("format") != statements.FORMAT:
        raise Damaged(f"what is signed is no statement of the format {statements.FORMAT}")
    _timestamp(found, parts, raw, authorities)
    # Whoever has an expired key can sign as if it were yesterday: only a witness can say that it was.
    signed = found.existed or now
    if found.issuer.valid_after is not None or found.issuer.valid_before is not None:
        when = "when it was signed" if found.existed else "now"
        found.note([found.issuer.flaw(signed)], f"the key counts {when}")
    _expiry(found, now)
    return True


def _timestamp(
    found: Verification, parts: Mapping[str, Part], raw: bytes, authorities: Sequence[x509.Certificate]
) -> None:
    if bundle.TIMESTAMP not in parts:
        if authorities:
            found.points.append(Point(False, "there is no timestamp, and you asked for one of an authority"))
        return
    if not authorities:
        says = "there is a timestamp, which was not looked at: name the authority's certificate for that"
        found.points.append(Point(None, says))
        return
    try:
        found.existed = timestamps.moment(_small(parts, bundle.TIMESTAMP), raw, authorities)
    except NoTimestamp as error:
        found.points.append(Point(False, str(error)))
    else:
        found.points.append(
            Point(True, f"it existed on {found.existed:%Y-%m-%d %H:%M:%S} UTC, by the authority that you named")
        )


def _vouched(
    found: Verification, parts: Mapping[str, Part], raw: bytes, sealed: Sealed, pinned: Pinned
) -> tuple[Issuer, ...]:
    """The issuer whose key the pinned identity signed for; none where it did not, which is noted."""
    if bundle.SIGSTORE not in parts:
        found.points.append(Point(False, "no identity vouches for it: name the key of its issuer"))
        return ()
    try:
        since, until = keyless.vouched(raw, parts[bundle.SIGSTORE].content(keyless.LARGEST), pinned)
    except NotVouched as error:
        found.points.append(Point(False, f"{error}; nothing in it was looked at"))
        return ()
    between = f"between {since:%Y-%m-%d %H:%M:%S} and {until:%Y-%m-%d %H:%M:%S} UTC"
    says = f"{pinned.identity}, known to {pinned.issuer}, signed it {between}, as Sigstore logged"
    found.points.append(Point(True, says))
    stated = sealed.unbelieved().get("predicate")
    return (keyless.issuer_of(str(stated.get("publicKey")) if isinstance(stated, dict) else "", pinned),)


def _expiry(found: Verification, now: datetime) -> None:
    stated = _predicate(found).get("expires")
    if stated is None:
        return
    try:
        expires = datetime.fromisoformat(str(stated))
        late = now >= expires
    except (ValueError, TypeError):
        raise Damaged("the expiry of what is signed is no instant") from None
    found.note(
        [f"it expired on {expires:%Y-%m-%d %H:%M} UTC" if late else ""],
        f"it is good until {expires:%Y-%m-%d %H:%M} UTC",
    )


def _named(found: Verification, parts: Mapping[str, Part]) -> bool:
    """Whether the file has the parts that the statement names, and no other; only such ones are unpacked."""
    listed = _predicate(found).get("files")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Damaged("what is signed names no parts")
    names = [str(one.get("name")) for one in listed]
    expected = [bundle.RUN_STATEMENT, bundle.TEST_STATEMENT, *([bundle.TIMESTAMP] if bundle.TIMESTAMP in parts else [])]
    expected += [bundle.SIGSTORE] if "publicKey" in _predicate(found) else []
    flaws = [f"{name} is signed for and missing" for name in names if name not in parts]
    flaws += [f"{name} is in the file and not signed for" for name in parts if name not in {*names, *expected}]
    flaws += [f"{name} is missing" for name in bundle.CONTENTS if name not in names]
    flaws += [f"{name} is missing" for name in expected if name not in parts]
    if not flaws and list(parts) != [*expected, *names]:
        flaws.append("the parts stand in another order than they are signed for")
    contents: dict[str, bytes] = {}
    for one in listed if not flaws else ():
        part = parts[str(one["name"])]
        if part.stored_digest() != one.get("storedSha256") or part.size != one.get("size"):
            flaws.append(f"{part.name} is not the one that is signed for")
            continue
        content = part.content()
        if hashlib.sha256(content).hexdigest() != one.get("sha256"):
            flaws.append(f"{part.name} is not the one that is signed for")
        contents[part.name] = content
    if not found.note(flaws, "every part is the one that is signed for, by digest"):
        return False
    found.contents = contents
    return True


def _contents(found: Verification, parts: Mapping[str, Part]) -> None:
    """Whether the parts, which are the issuer's, fit together."""
    contents = found.contents
    run = bundle.run_in(contents[bundle.RUN])
    try:
        root, kinds, flaws = _leaves(run, contents[bundle.LEAVES], bundle.seed_in(contents[bundle.SEED]))
    except (KeyError, TypeError, AttributeError):
        raise Damaged(f"{bundle.RUN} is not shaped like a run") from None
    if not hmac.compare_digest(root.hex(), str(_predicate(found).get("tree", {}).get("root"))):
        flaws.append("the leaves do not lead to the root that is signed")
    findings, looks = kinds["finding"], kinds["observation"]
    found.note(
        flaws,
        f"{kinds['claim']} claims, {findings:,} findings and {looks:,} observations are those under the signed root",
    )
    files = [bundle.file_of(parts[name], content) for name, content in contents.items()]
    predicate = _predicate(found)
    expires, public_key = (str(predicate.get(name, "")) for name in ("expires", "publicKey"))
    again = statements.of_run(run, files, root, kinds, expires, public_key)
    flaws = [
        f"the statement says something else of the run: {place}"
        for place in statements.differences(found.statement, again)
    ]
    tests = statements.unseal(_small(parts, bundle.TEST_STATEMENT), bundle.TEST_STATEMENT).opened(
        [found.issuer] if found.issuer else []
    )
    if tests is None:
        flaws.append("the test result is not signed by the issuer of the run")
    elif statements.differences(tests[1], statements.of_tests(run, files, root)):
        flaws.append("the test result is not the one of this run")
    found.note(flaws, "what the statements say of the run is what is in it")
    policy = inputs.policy_digest(contents)
    flaws = [] if policy == run["policy_digest"] else ["the policy is not the one by which the run was made"]
    flaws += consistency.flaws(run, contents)
    found.note(flaws, "policy, target and calibration are those of the run, and every status follows from the findings")


def _leaves(run: Mapping[str, Any], lines: bytes, seed: bytes) -> tuple[bytes, dict[str, int], list[str]]:
    """The root over these lines, how many leaves of each kind the run has, and where the lines are not the run's leaves."""
    kinds = dict.fromkeys(KINDS, 0)
    hashes: list[bytes] = []
    flaws: list[str] = []
    reader = io.BytesIO(lines)
    for place, leaf in enumerate(leaves(run)):
        kinds[leaf.kind] += 1
        line = reader.readline()
        if not line.endswith(b"\n"):
            return b"", kinds, [f"{bundle.LEAVES} ends before the leaves of the run do, at leaf {place}"]
        if not flaws and not bundle.same(leaf, line[:-1]):
            flaws.append(f"leaf {place} is not what the run says there")
        hashes.append(leaf_hash(salt(seed, place), line[:-1]))
    if reader.read(1):
        flaws.append(f"{bundle.LEAVES} has more leaves than the run")
    return Tree(hashes).root, kinds, flaws


def _small(parts: Mapping[str, Part], name: str) -> bytes:
    if name not in parts:
        raise Damaged(f"{name} is missing")
    return parts[name].content(statements.LARGEST)


def _predicate(found: Verification) -> Mapping[str, Any]:
    predicate = found.statement.get("predicate")
    return predicate if isinstance(predicate, dict) else {}


def _by(issuer: Issuer, pinned: Sequence[Issuer] | Pinned) -> str:
    if isinstance(pinned, Pinned):
        return (
            f"it is signed with the key that was made for it, for which {pinned.identity} signed: {issuer.fingerprint}"
        )
    return f"it is signed with the key that you named: {issuer.fingerprint}" + (
        f" ({issuer.name})" if issuer.name else ""
    )


def _foreign(sealed: Sealed, issuers: Sequence[Issuer], *, vouched: bool) -> str:
    keyid = str(sealed.keyid)
    if keyid in {one.fingerprint for one in issuers}:
        return "the signature is not one of the key that you named over this statement"
    if vouched:
        return "it is not signed with a key that you named; an identity may vouch for it, which you can name instead; nothing in it was looked at"
    return f"it is not signed with a key that you named, but, as it says itself, with {keyid[:64]}; nothing in it was looked at"
