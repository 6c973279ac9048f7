"""No credential stands in the code, in its settings, or in its history."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.repositories import Repositories


@check(basis=INSPECTED)
def repositories_hold_no_credentials(repositories: Repositories) -> Iterator[Finding | NotObserved | LeftOut]:
    """No version of any file in the repositories holds a credential.

    Decides: whether passwords, keys or tokens are kept where everyone who works on the code, and every copy of it, has them.

    How: reads every version of every file from git, in all branches and tags, and looks for private keys, tokens of known services, URLs with
    a password, and random values that are assigned to a name such as SECRET, TOKEN, PASSWORD or KEY. That it finds them is shown by
    specimens first. Placeholders, references to variables, hashes of lock files and public keys are none.

    Refuted by: a credential in a file of today or of any commit, even if it was removed later: it must be revoked then, and
    the path left out with that reason.

    Cannot see: credentials without a name and without a known form, in binary files, and in commits that no branch or tag holds.

    References: CWE-540, CWE-798; OWASP Secrets Management Cheat Sheet.
    """
    for name in repositories.names():
        expected = "no credential in any version of any file"
        for pattern, reason in repositories.left_out(name):
            yield LeftOut(f"{name}: {pattern}", reason)
        try:
            found = repositories.credentials_in(name)
        except Unobservable as unobservable:
            yield NotObserved(name, unobservable.reason, expected)
            continue
        places = "; ".join(
            f"{one.what} in {one.place}, line {one.line}{'' if one.today else ', in the history only'}"
            for one in found.hits[:6]
        )
        more = f" and {len(found.hits) - 6} more" if len(found.hits) > 6 else ""
        observed = (
            f"{places}{more}" if found.hits else f"none in {found.blobs} versions of files, {found.commits} commits"
        )
        yield Finding(name, not found.hits, expected, observed)
