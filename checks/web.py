"""The web's side of encryption in transit: plain HTTP only redirects, and browsers are told to stay with HTTPS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from upheld import OBSERVED, Finding, NotObserved, Unobservable, check
from upheld.probes.http import REDIRECTS, Answer, Attempt, Endpoint, Http, Outcome, redirect

_LARGEST_REDIRECT_BODY = 4096
_NO_SUCH_PAGE = "/upheld-no-such-page"
# What a server says that refuses plain HTTP as such; any other status shows that it would serve something there.
_REFUSALS = frozenset({400, 403, 405, 421, 426, 501})
_NO_ANSWER_FIT_TO_JUDGE = frozenset({429, 502, 503, 504})
_DIRECTIVE = re.compile(r'\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*(?:=\s*("[^"]*"|[^\s;"]+)\s*)?(?:;|$)|\s*(?:;|$)')


_Control = tuple[int | None, str]
"""The status that an https endpoint answers with, or None and why it does not."""


@dataclass(frozen=True, slots=True)
class _Door:
    """A place where plain HTTP is tried, the paths to try, and the endpoint that shows the host to be alive."""

    subject: str
    base: str
    paths: tuple[str, ...]
    secure: Endpoint | None
    tls: bool


@check(basis=OBSERVED)
def plain_http_only_redirects(http: Http) -> Iterator[Finding | NotObserved]:
    """Plain HTTP never serves content: it redirects to HTTPS, or nothing answers.

    Decides: whether anything of the deployment can be had, or handed over, without encryption.
    How: at every declared plain HTTP endpoint, at port 80 of every public https endpoint that stands at port 443, and at
    the TLS port itself of every public https endpoint, several paths are asked for in plain HTTP: the declared pages and
    one that does not exist, by GET, HEAD, OPTIONS and POST without a body. A closed door counts when the same host
    answers over HTTPS, a refusal when it does not refuse the same way there.
    Refuted by: an answer with content, of whatever status; a redirect that stays on plain HTTP; a redirect with a body
    of more than 4 KiB; a 404, which shows that other paths may be served.
    Cannot see: paths that were not asked for; what stands at port 80 when the https endpoint is at another port than 443.
    References: RFC 9110 §15.4, RFC 9325 §3.2.
    """
    alive: dict[str, _Control] = {}
    for door in _doors(http.endpoints()):
        for method, path in _requests(door):
            subject = f"{door.subject} {method} {path}"
            expected = "a redirect to https, or no answer"
            try:
                attempt = http.attempt(method, urljoin(door.base, path))
            except Unobservable as error:
                yield NotObserved(subject, error.reason, expected)
                continue
            if attempt.answer is not None and _is_refusal(attempt.answer):
                yield _refused(http, door, attempt.answer.status, subject, expected, alive)
            elif attempt.answer is not None:
                yield _judged(subject, expected, attempt.answer)
            elif attempt.outcome is Outcome.NOT_HTTP:
                yield NotObserved(subject, f"something answered that is not HTTP ({attempt.summary})", expected)
            else:
                yield _closed(http, door, attempt, subject, expected, alive)


def _doors(endpoints: tuple[Endpoint, ...]) -> Iterator[_Door]:
    secure = {endpoint.host: endpoint for endpoint in reversed(endpoints) if endpoint.secure}
    declared = {(endpoint.host, endpoint.port) for endpoint in endpoints if not endpoint.secure}
    for endpoint in endpoints:
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        if not endpoint.secure:
            twin = secure.get(endpoint.host)
            paths = endpoint.pages + (twin.pages if twin else ())
            yield _Door(str(endpoint), f"http://{host}:{endpoint.port}", paths, twin, tls=False)
        elif endpoint.public:
            shown = f"{endpoint} plain HTTP"
            yield _Door(
                f"{shown} at its TLS port", f"http://{host}:{endpoint.port}", endpoint.pages[:1], endpoint, tls=True
            )
            if endpoint.port == 443 and (endpoint.host, 80) not in declared:
                yield _Door(f"{shown} at port 80", f"http://{host}", endpoint.pages, endpoint, tls=False)


def _requests(door: _Door) -> Iterator[tuple[str, str]]:
    if door.tls:
        yield "GET", door.paths[0] if door.paths else "/"
        return
    for path in dict.fromkeys(("/", *door.paths, _NO_SUCH_PAGE)):
        yield "GET", path
    yield from (("HEAD", "/"), ("OPTIONS", "/"), ("POST", _NO_SUCH_PAGE))


def _is_refusal(answer: Answer) -> bool:
    small = answer.size <= _LARGEST_REDIRECT_BODY and not answer.truncated
    return answer.status in _REFUSALS and small and redirect(answer) is None


def _judged(subject: str, expected: str, answer: Answer) -> Finding | NotObserved:
    after = redirect(answer)
    seen = f"{answer.status} with {answer.size}{'+' if answer.truncated else ''} bytes"
    if after is not None:
        if urlsplit(after).scheme != "https":
            return Finding(
                subject, passed=False, expected=expected, observed=f"{answer.status} redirects to {after}, without TLS"
            )
        if answer.size > _LARGEST_REDIRECT_BODY or answer.truncated:
            return Finding(
                subject, passed=False, expected=expected, observed=f"redirects to https, but serves content: {seen}"
            )
        return Finding(subject, passed=True, expected=expected, observed=f"{answer.status} redirects to {after}")
    if answer.status in _NO_ANSWER_FIT_TO_JUDGE:
        return NotObserved(subject, f"answered {answer.status}", expected)
    if answer.status in REDIRECTS:
        return Finding(subject, passed=False, expected=expected, observed=f"{answer.status} leads nowhere: no Location")
    return Finding(subject, passed=False, expected=expected, observed=f"plain HTTP serves an answer: {seen}")


def _closed(
    http: Http, door: _Door, attempt: Attempt, subject: str, expected: str, alive: dict[str, _Control]
) -> Finding | NotObserved:
    """A door that did not answer: good when the host is alive at its https endpoint, else it may just be down."""
    if attempt.outcome is not Outcome.REFUSED and not door.tls:
        return NotObserved(subject, f"the connection was opened and brought no answer ({attempt.summary})", expected)
    if door.secure is None:
        return NotObserved(
            subject, f"{attempt.summary}, and no https endpoint of that host shows that it is alive", expected
        )
    status, why = _control(http, door.secure, alive)
    if status is None:
        return NotObserved(subject, f"{attempt.summary}, but its https endpoint does not answer: {why}", expected)
    observed = f"no plain HTTP: {attempt.outcome} (its https endpoint answers {status})"
    return Finding(subject, passed=True, expected=expected, observed=observed)


def _refused(
    http: Http, door: _Door, status: int, subject: str, expected: str, alive: dict[str, _Control]
) -> Finding | NotObserved:
    """A refusal: good when it is plain HTTP that is refused, and not this client, whatever it asks for."""
    observed = f"refuses plain HTTP with {status}"
    if door.secure is None:
        reason = f"{observed}, and no https endpoint of that host shows that this client is let in there"
        return NotObserved(subject, reason, expected)
    control, why = _control(http, door.secure, alive)
    if control is None:
        return NotObserved(subject, f"{observed}, but its https endpoint does not answer: {why}", expected)
    if control == status:
        reason = f"{observed}, but its https endpoint answers {status} too: others may be let in"
        return NotObserved(subject, reason, expected)
    return Finding(subject, passed=True, expected=expected, observed=observed)


def _control(http: Http, secure: Endpoint, alive: dict[str, _Control]) -> _Control:
    """What the https endpoint answers to this client, asked once; without a status, why it does not."""
    if secure.name not in alive:
        try:
            # A bad certificate is another check's finding; here it only matters that the host is up.
            control = http.attempt("GET", urljoin(secure.url, secure.pages[0] if secure.pages else "/"), verify=False)
            alive[secure.name] = (control.answer.status if control.answer else None, control.summary)
        except Unobservable as error:
            alive[secure.name] = (None, error.reason)
    return alive[secure.name]


@check(basis=OBSERVED)
def hsts_is_set(http: Http, *, minimum_seconds: int = 15552000) -> Iterator[Finding | NotObserved]:
    """Every page of every public https endpoint tells browsers to stay with HTTPS for at least `minimum_seconds`.

    Decides: whether a browser that came once will not be led to plain HTTP later.
    How: a GET of each declared page of each public https endpoint, over a connection whose certificate verifies, since
    browsers ignore the header otherwise. Redirects are followed inside the scope, and every answer on the way is judged. Of
    several headers the first counts, as browsers do it. A page that cannot be had (a redirect loop, a 429 or a gateway's
    error in the way) is not observed: what answered may not be the deployment.
    Refuted by: no Strict-Transport-Security header, one without a valid max-age, a max-age under `minimum_seconds`.
    Cannot see: pages that the target does not declare; whether the name is in the browsers' preload lists.
    References: RFC 6797 §6.1, §8.1.
    """
    for endpoint in http.endpoints():
        if not (endpoint.public and endpoint.secure):
            continue
        for page in endpoint.pages:
            url = urljoin(endpoint.url, page)
            subject = f"{endpoint} {page}"
            expected = f"Strict-Transport-Security with max-age of at least {minimum_seconds} s"
            try:
                answers = http.follow_redirects(url)
            except Unobservable as error:
                yield NotObserved(subject, error.reason, expected)
                continue
            if answers[-1].status in _NO_ANSWER_FIT_TO_JUDGE:
                yield NotObserved(
                    subject, f"answered {answers[-1].status}, which may not be the deployment's", expected
                )
                continue
            judged = [(*_hsts(one.header("strict-transport-security"), minimum_seconds), one.status) for one in answers]
            # The worst of the way speaks for the page: one answer without the header is where a browser can be led astray.
            passed, observed, status = next((one for one in judged if not one[0]), judged[-1])
            yield Finding(subject, passed=passed, expected=expected, observed=f"{observed} (status {status})")


def _hsts(value: str | None, minimum: int) -> tuple[bool, str]:
    if value is None:
        return False, "no Strict-Transport-Security header"
    directives = _directives(value)
    age = directives.get("max-age", "") if directives is not None else ""
    if not (age.isascii() and age.isdigit()) or len(age) > 15:
        return False, f"browsers ignore {value!r}: no valid max-age"
    if int(age) < minimum:
        return False, f"max-age is {int(age)} s, too short"
    return True, f"max-age is {int(age)} s"


def _directives(value: str) -> Mapping[str, str] | None:
    """The directives by lower-case name; None when the header is malformed or names one twice (RFC 6797 §6.1)."""
    found: dict[str, str] = {}
    at = 0
    while at < len(value):
        match = _DIRECTIVE.match(value, at)
        if match is None:
            return None
        name = (match[1] or "").lower()
        if name in found:
            return None
        if name:
            found[name] = (match[2] or "").strip('"')
        at = max(match.end(), at + 1)
    return found
