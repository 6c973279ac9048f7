"""Whether hashes of passwords stay where they are kept."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.api import Actor, Api, Case
from upheld.probes.shown_hashes import Shown, ShownHashes

_EXPECTED = "no hash of a password in it"


@check(basis=OBSERVED, intrusive=True)
def password_hashes_are_never_handed_out(shown: ShownHashes, api: Api) -> Iterator[Finding | NotObserved | LeftOut]:
    """No answer of the API and no token holds a hash of a password.

    Decides: whether clients are given what a password can be guessed from without anybody noticing.

    How: every operation that changes nothing is called as an identity of each role, and as the one that acts for each tenant, those
    that show an account for the caller's own, public ones without credentials; further a login of those that act, and all tokens.
    All strings are searched, also in JSON web tokens and signed cookies: for the forms of bcrypt, Argon2, scrypt, PBKDF2, crypt,
    LDAP and the like, for digests under a name such as `password_hash`, and for the harness's own passwords and their bare
    digests. Some answer must show an account by its name (control).

    Refuted by: one such value.

    Cannot see: answers of operations that change something, what is told of other accounts but in lists, an unusual form
    under an unusual name, and what an encrypted token says.

    References: CWE-200, CWE-522; OWASP API3:2023; RFC 8725 §3.
    """
    acting = {one.name for one in api.acting()}
    of_roles = {one.role: one.name for one in reversed(api.actors()) if not one.throwaway}
    actors = [one for one in api.actors() if one.name in acting or one.name in of_roles.values()]
    named = False
    try:
        ids = {tenant: api.plant(tenant).ids() for tenant in dict.fromkeys(one.tenant for one in actors)}
        own = {one.name: {**ids[one.tenant], **dict(shown.own_account(one.name))} for one in actors}
        for case in api.cases():
            if case.changes:
                continue
            if case.left_out or case.obstacle:
                yield LeftOut(case, case.left_out) if case.left_out else NotObserved(case, case.obstacle, _EXPECTED)
                continue
            try:
                seen = [(one.name, _answer(shown, api, case, one, own[one.name])) for one in actors]
            except Unobservable as unobservable:
                yield NotObserved(case, unobservable.reason, _EXPECTED)
                continue
            named = named or any(one.names_account for _, one in seen if one.worked)
            yield _judged(case, seen)
    finally:
        api.remove_planted()
    for one in actors:
        subjects = [("login", shown.in_login)] if one.name in acting else []
        for subject, looked in [*subjects, ("token", shown.in_token)]:
            try:
                yield _judged(f"{subject} of {one.name}", [(one.name, looked(one.name))])
            except Unobservable as unobservable:
                yield NotObserved(f"{subject} of {one.name}", unobservable.reason, _EXPECTED)
    if not named:
        yield NotObserved("accounts", "no answer shows an account by its name, so nothing shows what is told of them")


def _answer(shown: ShownHashes, api: Api, case: Case, one: Actor, ids: dict[str, str]) -> Shown:
    known = {**ids, **(dict(api.existing(case.id, one.tenant)) if case.existing else {})}
    missing = [each.kind for each in case.references if each.kind not in known and not each.optional]
    if missing:
        raise Unobservable(f"there is no {missing[0]} in {one.tenant}")
    return shown.in_answer(case.id, None if case.operation.public else one.name, known)


def _judged(subject: object, seen: list[tuple[str, Shown]]) -> Finding | NotObserved | LeftOut:
    """What the answers to several identities come to."""
    found = [f"{hashed.form} at {hashed.place}, shown to {who}" for who, one in seen for hashed in one.hashes]
    worked = [one for _, one in seen if one.worked]
    values = sum(one.values for one in worked)
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        return Finding(subject, False, _EXPECTED, f"{'; '.join(found[:3])}{more}")
    if not worked:
        came = ", ".join(f"{one.status} to {who}" for who, one in seen)
        return NotObserved(subject, f"it works for nobody: {came or 'nobody was sent'}", _EXPECTED)
    if not values:
        return LeftOut(subject, "it shows no value to anybody")
    return Finding(subject, True, _EXPECTED, f"none among {values} values in {len(worked)} answers")
