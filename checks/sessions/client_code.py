"""What browsers are served: everybody can read it, so that no secret may be in it."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import OBSERVED, Finding, LeftOut, NotObserved, check
from upheld.probes.client_code import ClientCode


@check(basis=OBSERVED)
def client_code_holds_no_secret(code: ClientCode) -> Iterator[Finding | NotObserved | LeftOut]:
    """No page, script or source map that the deployment serves to browsers holds a key, a password or a token.

    Decides: whether whoever opens the pages is given a secret that others share.

    How: the declared pages of every public endpoint are read, then the scripts that they load and the source maps that those
    name, and all are searched for keys and tokens by their shape and for values that are assigned to names such as
    `apiKey` or `password`. Client identifiers and publishable keys are public by nature, and so is what the target declares.

    Refuted by: one such value.

    Cannot see: secrets without a usual shape or name, what is served after a login only, scripts that are loaded by other
    means than an element or an import, and scripts of other hosts.

    References: CWE-798, CWE-540, OWASP WSTG-INFO-05, RFC 6749 §2.1.
    """
    documents = code.documents()
    for one in documents:
        subject, expected = f"{one.kind} {one.url}", "no key, password or token in it"
        if one.left_out:
            yield LeftOut(subject, one.reason)
        elif one.reason:
            yield NotObserved(subject, one.reason, expected)
        elif one.leaks:
            told = ", ".join(f"{leak.kind} at character {leak.at}" for leak in one.leaks[:5])
            yield Finding(subject, False, expected, told, seen=(documents,))
        else:
            yield Finding(subject, True, expected, f"none in {one.size} bytes", seen=(documents,))
