"""Planning: which checks a run makes for which claims, each with an identity of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from upheld.catalogue import Catalogue, Check
from upheld.documents import nearest
from upheld.errors import InputError, Mistake
from upheld.model import Plain, PlannedCheck
from upheld.policies.model import Policy


def select(policy: Policy, ids: Collection[str]) -> tuple[str, ...]:
    """The claims of those ids and all that decide them, in the policy's order; raises InputError for ids that are not there.

    No ids at all means every claim.
    """
    claims = {claim.id: claim for claim in policy.claims}
    mistakes = [
        Mistake(policy.file, 0, 0, f"the policy has no claim {one!r}", nearest=nearest(one, claims))
        for one in dict.fromkeys(ids)
        if one not in claims
    ]
    if mistakes:
        raise InputError(mistakes)
    if not ids:
        return tuple(claims)
    chosen: set[str] = set()
    waiting = list(ids)
    while waiting:
        one = waiting.pop()
        if one not in chosen:
            chosen.add(one)
            waiting.extend(claims[one].decided_by)
    return tuple(one for one in claims if one in chosen)


def plan(policy: Policy, catalogue: Catalogue, claims: Collection[str] = ()) -> tuple[PlannedCheck, ...]:
    """Every check that the selected claims use (all claims without a selection), in the policy's order.

    Raises InputError for a claim that is not in the policy, or a check that is not in this catalogue.
    """
    chosen = set(select(policy, claims))
    checks: dict[str, tuple[Check, str]] = {}
    parameters: dict[str, Mapping[str, Plain]] = {}
    planned: list[PlannedCheck] = []
    mistakes: list[Mistake] = []
    for claim in policy.claims:
        if claim.id not in chosen:
            continue
        for use in claim.uses:
            if use.check not in checks:
                if use.check not in catalogue:
                    message = f"no check is called {use.check!r}"
                    mistakes.append(Mistake(claim.file, use.line, 1, message, nearest=catalogue.nearest(use.check)))
                    continue
                checks[use.check] = (catalogue[use.check], catalogue[use.check].title)
            check, title = checks[use.check]
            if use.arguments_json not in parameters:
                parameters[use.arguments_json] = json.loads(use.arguments_json)
            planned.append(
                PlannedCheck(
                    key=PlannedCheck.make_key(policy.digest, claim.id, use.check, use.arguments_json),
                    claim=claim.id,
                    check=use.check,
                    parameters=parameters[use.arguments_json],
                    basis=check.marks.basis,
                    title=title,
                    code_digest=check.code_digest,
                    exclusive=check.marks.exclusive,
                    detached=check.detached,
                    intrusive=check.marks.intrusive,
                    undisturbed=check.marks.undisturbed,
                    not_applicable=use.not_applicable,
                    line=use.line,
                )
            )
    if mistakes:
        raise InputError(mistakes)
    return tuple(planned)
