"""The way in for those who find a vulnerability: security.txt (RFC 9116), and the published page that names it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote, urlsplit

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.http import Http, content_parameters
from upheld.probes.publication import Publication, SecurityTxt

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[!-~]+")
_LANGUAGES = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*(?:\s*,\s*[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*)*")
_WEB_FIELDS = ("acknowledgments", "canonical", "csaf", "encryption", "hiring", "policy")
_SEEN_FOR_A_YEAR = timedelta(days=366)


@check(basis=OBSERVED)
def security_txt_is_valid(
    publication: Publication, http: Http, clock: Clock
) -> Iterator[Finding | NotObserved | LeftOut]:
    """The site's security.txt can be had over HTTPS, is valid and in its time, and the contacts that it names answer.

    Decides: whether someone who found a vulnerability can learn how to report it.
    How: /.well-known/security.txt of the host that publishes the claims (or where the target says) is asked for over
    HTTPS and read by the rules of RFC 9116; its web contacts are asked for where they are in scope; a signature is
    verified with the key that the target names.
    Refuted by: another status than 200 at the end of the redirects; another media type than text/plain in UTF-8 (an HTML
    page for every path); no Contact, or one that is no https, mailto or tel URI; no Expires or several; an Expires that is
    not RFC 3339 or is past; a Canonical that does not name the place; Preferred-Languages twice; a web address without
    TLS; lines that are no field; a signature that does not verify; a web contact that answers with an error.
    Cannot see: whether mail or calls to the contacts arrive; contacts outside the target's scope are not followed. An
    Expires more than a year ahead is against the RFC's advice, and shown, but refutes nothing.
    References: RFC 9116, RFC 3339 §5.6.
    """
    expected = "security.txt over HTTPS as text/plain in UTF-8"
    try:
        found = publication.security_txt()
    except Unobservable as error:
        yield NotObserved("security.txt", error.reason, expected)
        return
    defect, unfollowed = _retrieval(found, http)
    if unfollowed:
        yield NotObserved("security.txt", unfollowed, expected)
        return
    where = f"{found.asked}" if found.asked == found.answer.url else f"{found.asked}, at last {found.answer.url}"
    yield Finding("security.txt", passed=not defect, expected=expected, observed=defect or f"valid at {where}")
    if found.answer.status != 200 or _is_markup(found):
        return  # What is not the file has no fields that could be judged.
    yield from _contacts(found, http)
    yield _expires(found, clock.now())
    yield from _other_fields(found)
    if found.signed:
        yield _signature(publication)


def _retrieval(found: SecurityTxt, http: Http) -> tuple[str, str]:  # noqa: PLR0911  (one for each defect)
    """What is wrong with how the file is served; or why it could not be followed to its end."""
    answer = found.answer
    location = answer.header("location")
    if not answer.url.startswith("https:"):
        return f"{answer.url} is not served over HTTPS", ""
    if answer.status // 100 == 3:
        if location and urlsplit(location).scheme == "http":
            return f"redirects to {location}, without TLS", ""
        if location and urlsplit(location).scheme == "https" and not http.in_scope(location):
            return "", f"it redirects to {location}, which is outside the target's scope"
        return f"ends in status {answer.status}", ""
    if answer.status in {429, 502, 503, 504}:
        return "", f"{answer.url} answered {answer.status}"
    if answer.status != 200:
        after = f" after {len(found.redirects)} redirects" if found.redirects else ""
        return f"{answer.url} answered {answer.status}{after}", ""
    if _is_markup(found):
        return f"an HTML page (media type {answer.media_type or 'none'}), not a security.txt", ""
    if answer.media_type != "text/plain":
        return f"media type is {answer.media_type or 'none'}, not text/plain", ""
    given = content_parameters(answer.header("content-type") or "").get("charset", "")
    if given.lower() not in {"utf-8", "utf8"}:
        return f"charset is {given or 'not given'}, not utf-8", ""
    if "�" in answer.text:
        return "it is not UTF-8", ""
    if found.unknown:
        return f"a line is no field: {found.unknown[0]!r}", ""
    if not found.fields:
        return "it has no fields", ""
    return "", ""


def _is_markup(found: SecurityTxt) -> bool:
    return found.answer.text.lstrip("\ufeff \t\r\n").startswith("<")


def _contacts(found: SecurityTxt, http: Http) -> Iterator[Finding | NotObserved | LeftOut]:
    expected = "an https, mailto or tel URI"
    contacts = found.values("contact")
    if not contacts:
        yield Finding("Contact", passed=False, expected="at least one Contact", observed="no Contact field")
    for contact in contacts:
        subject = f"Contact {contact}"
        uri = _URI.fullmatch(contact)
        scheme = uri[1].lower() if uri else ""
        if scheme == "https":
            yield from _web_contact(contact, subject, http)
        elif scheme == "http":
            yield Finding(subject, passed=False, expected=expected, observed="a web address without TLS")
        elif scheme == "mailto":
            good = (
                re.fullmatch(r"[^@\s]+@[A-Za-z0-9.-]+\.[A-Za-z0-9-]+", unquote(contact[7:].partition("?")[0]))
                is not None
            )
            yield Finding(
                subject, passed=good, expected=expected, observed="a mail address" if good else "no mail address"
            )
        elif scheme == "tel":
            good = re.fullmatch(r"\+?[0-9().;=A-Za-z-]*[0-9][0-9().;=A-Za-z-]*", contact[4:]) is not None
            yield Finding(
                subject,
                passed=good,
                expected=expected,
                observed="a telephone number" if good else "no telephone number",
            )
        elif scheme:
            yield NotObserved(subject, f"whether {scheme}: reaches someone is not known to this check", expected)
        else:
            yield Finding(subject, passed=False, expected=expected, observed="no URI")


def _web_contact(contact: str, subject: str, http: Http) -> Iterator[Finding | NotObserved | LeftOut]:
    expected = "the contact page answers"
    if not http.in_scope(contact):
        yield LeftOut(subject, "outside the target's scope, not followed")
        return
    try:
        answer = http.follow_redirects(contact.partition("#")[0])[-1]
    except Unobservable as error:
        yield NotObserved(subject, error.reason, expected)
        return
    if answer.status in {429, 502, 503, 504}:
        yield NotObserved(subject, f"answered {answer.status}", expected)
    elif answer.status // 100 == 3:
        yield NotObserved(subject, f"redirects to {answer.header('location')}, which was not followed", expected)
    else:
        yield Finding(subject, passed=answer.status < 400, expected=expected, observed=f"answers {answer.status}")


def _expires(found: SecurityTxt, now: datetime) -> Finding:
    expected = "one Expires in RFC 3339 that is not past"
    values = found.values("expires")
    if len(values) != 1:
        observed = "no Expires field" if not values else f"{len(values)} Expires fields"
        return Finding("Expires", passed=False, expected=expected, observed=observed)
    try:
        if not _RFC_3339.fullmatch(values[0]):
            raise ValueError
        expires = datetime.fromisoformat(values[0].upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return Finding(
            "Expires", passed=False, expected=expected, observed=f"{values[0]!r} is not a date and time in RFC 3339"
        )
    if expires <= now:
        return Finding("Expires", passed=False, expected=expected, observed=f"expired on {expires:%Y-%m-%d}")
    note = ", more than the year that RFC 9116 advises" if expires - now > _SEEN_FOR_A_YEAR else ""
    return Finding("Expires", passed=True, expected=expected, observed=f"expires on {expires:%Y-%m-%d}{note}")


def _other_fields(found: SecurityTxt) -> Iterator[Finding]:
    canonical = found.values("canonical")
    if canonical:
        named = {_plain_url(value) for value in canonical} & {_plain_url(found.asked), _plain_url(found.answer.url)}
        observed = f"names {canonical[0]}, not {found.answer.url}" if not named else f"names {found.answer.url}"
        yield Finding("Canonical", passed=bool(named), expected="names the place where the file is", observed=observed)
    languages = found.values("preferred-languages")
    if languages:
        good = len(languages) == 1 and _LANGUAGES.fullmatch(languages[0]) is not None
        observed = languages[0] if len(languages) == 1 else f"{len(languages)} Preferred-Languages fields"
        yield Finding("Preferred-Languages", passed=good, expected="one list of language tags", observed=observed)
    for name in _WEB_FIELDS:
        for value in found.values(name):
            if urlsplit(value).scheme.lower() == "http":
                yield Finding(
                    f"{name.title()} {value}",
                    passed=False,
                    expected="an https address",
                    observed="a web address without TLS",
                )


def _plain_url(url: str) -> str:
    """A URL as it is compared: scheme and host in lower case, without the default port."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port in {None, 443} else f":{parts.port}"
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}{'?' + parts.query if parts.query else ''}"


def _signature(publication: Publication) -> Finding | NotObserved:
    expected = "a signature that verifies"
    try:
        signature = publication.security_txt_signature()
    except Unobservable as error:
        return NotObserved("signature", error.reason, expected)
    return Finding("signature", passed=signature.good, expected=expected, observed=signature.summary)


@check(basis=OBSERVED)
def page_names_the_channel(publication: Publication) -> Iterator[Finding | NotObserved]:
    """The published page names a contact that security.txt names too.

    Decides: whether a reader of the page finds the same way to report a vulnerability as a reader of security.txt.
    How: the links and sentences of the page's main content are compared with the Contact fields of security.txt.
    Refuted by: a page with no link to a contact of security.txt, and without its mail address or number in the text.
    Cannot see: whether reports arrive; links that a script adds to the page.
    References: RFC 9116 §2.5.3.
    """
    expected = "a contact of security.txt"
    try:
        page = publication.page()
        contacts = publication.security_txt().values("contact")
    except Unobservable as error:
        yield NotObserved("page", error.reason, expected)
        return
    if not contacts:
        yield NotObserved(page.url, "security.txt names no contact that the page could name", expected)
        return
    linked = {_contact(link.url) for link in page.links}
    said = " ".join(page.sentences).lower()
    named = [one for one in contacts if _contact(one) in linked or _spoken(one, said)]
    # A contact that leads back to this very page says nothing; another one must be named.
    elsewhere = [one for one in named if _plain_url(one.partition("#")[0]) != _plain_url(page.url)]
    observed = f"names {', '.join(elsewhere)}" if elsewhere else f"names none of {', '.join(contacts)}"
    yield Finding(page.url, passed=bool(elsewhere), expected=expected, observed=observed)


def _contact(url: str) -> str:
    scheme, _, rest = url.partition(":")
    if scheme.lower() in {"mailto", "tel"}:
        return f"{scheme.lower()}:{unquote(rest.partition('?')[0]).lower()}"
    return _plain_url(url)


def _spoken(contact: str, said: str) -> bool:
    scheme, _, rest = contact.partition(":")
    address = unquote(rest.partition("?")[0]).lower()
    if scheme.lower() not in {"mailto", "tel"} or not address:
        return False
    return re.search(rf"(?<![\w.+-]){re.escape(address)}(?![\w-]|\.\w)", said) is not None
