"""The policies that a fleet's targets are audited against, each read once: their claims, their checks, their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from upheld.catalogue import Catalogue, Names
from upheld.documents import Suggestions, read
from upheld.policies import Policy, load
from upheld.policies.waivers import load_waivers
from upheld.resources import check_folders


@dataclass(frozen=True, slots=True)
class Known:
    """What is to be known of a policy before anything is sent: the checks of each claim, and the names of all checks."""

    digest: str
    """Over its files, its waivers and the code of its checks."""
    checks_of: Mapping[str, Collection[str]]
    names: Collection[str]
    policy: Policy | None = None


class Reading(Protocol):
    """Whoever reads policies for a fleet."""

    def policy(self, path: Path) -> Known:
        """The policy in that file; raises InputError with every mistake."""

    def waivers(self, path: Path, known: Known) -> str:
        """The digest of a file of waivers for such a policy; raises InputError with every mistake."""


class Policies:
    """Reads each policy and each catalogue of checks once."""

    def __init__(self, today: date | None = None) -> None:
        self._today = today or datetime.now(UTC).date()
        self._catalogues: dict[tuple[Path, ...], Catalogue] = {}

    def policy(self, path: Path) -> Known:
        """The policy in that file; raises InputError with every mistake of it, or of the checks beside it."""
        read(path)  # So that a name that no file can have is a mistake like any other.
        folders = check_folders(path)
        if folders not in self._catalogues:
            self._catalogues[folders] = Catalogue.load(*folders)
        catalogue = self._catalogues[folders]
        policy = load(path, catalogue, today=self._today)
        checks_of = {claim.id: {use.check for use in claim.uses} for claim in policy.claims}
        code = sorted({catalogue[check].code_digest for checks in checks_of.values() for check in checks})
        whole = json.dumps([policy.digest, [asdict(one) for one in policy.waivers], code])
        return Known(hashlib.sha256(whole.encode()).hexdigest(), checks_of, Names(catalogue), policy)

    def waivers(self, path: Path, known: Known) -> str:
        """The digest of a file of waivers for that policy, which must not repeat the policy's own; raises InputError with every mistake."""
        _, digest = read(path)
        given = known.policy.waivers if known.policy is not None else ()
        load_waivers(path, known.checks_of, today=self._today, suggestions=Suggestions(), given=given)
        return digest
