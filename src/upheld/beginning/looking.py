"""What can be seen of a deployment from its addresses, by looks that change nothing, through the scope of what was named."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, urljoin, urlsplit

from upheld.beginning.logins import named_logins
from upheld.errors import InputError, Mistake, Unobservable
from upheld.probes import openapi
from upheld.probes.base import Session
from upheld.probes.codebase import Codebase
from upheld.probes.git import Git
from upheld.probes.http import Http, redirect
from upheld.probes.inferring import Inferred, inferred
from upheld.probes.scope import Scope
from upheld.probes.tls import Tls, TlsVersion
from upheld.reading import Page, of_file
from upheld.reading.fetching import of_answer
from upheld.redaction import Redactor
from upheld.target.endpoints import Endpoint
from upheld.target.model import Target

T = TypeVar("T")

DOCUMENTS = (
    "/openapi.json",
    "/openapi.yaml",
    "/swagger.json",
    "/api/openapi.json",
    "/api/schema/",
    "/api/swagger.json",
    "/v1/openapi.json",
    "/api/v1/openapi.json",
    "/v3/api-docs",
    "/api-docs",
    "/swagger/v1/swagger.json",
    "/docs/openapi.json",
    "/.well-known/openapi.json",
)
"""Where OpenAPI documents usually stand."""
SECURITY_TXT = "/.well-known/security.txt"
_SECONDS = 10.0
_FORGES = {"github.com": ("github", "https://api.github.com"), "gitlab.com": ("gitlab", "https://gitlab.com")}
_REMOTE = re.compile(r"(?:[a-z+]+://(?:[^@/]+@)?|[^@/]+@)(?P<host>[^:/]+)(?::\d+)?[:/](?P<path>.+?)(?:\.git)?/?")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: URLs, where the OpenAPI document, the repository and the page are, the authority that signs, a pinned address."""

    urls: tuple[str, ...]
    openapi: str | None = None
    repository: Path | None = None
    page: str | None = None
    ca: Path | None = None
    address: str | None = None


@dataclass(slots=True)
class Place:
    """One address: how it is described as an endpoint, what was seen there, and what could not be found out."""

    name: str
    url: str
    page: str
    seen: list[str] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)

    @property
    def secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https:")


@dataclass(frozen=True, slots=True)
class Described:
    """The OpenAPI document that was found: of which endpoint, where, how many operations it has, how many ask for a login, what can be made, how one logs in."""

    endpoint: str
    where: str
    operations: int
    with_login: int
    recipes: tuple[Inferred, ...] = ()
    logins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Code:
    """The repository: its folder and branch, the forge of its remote, and the files that say how it is looked after."""

    folder: Path
    branch: str
    forge: tuple[str, str, str, str] | None = None
    """Kind, URL of the API, owner and name."""
    seen: list[str] = field(default_factory=list)
    not_found: list[str] = field(default_factory=list)
    updates: bool = False


@dataclass(slots=True)
class Seen:
    """All that was seen."""

    wanted: Wanted
    places: list[Place]
    described: Described | None = None
    page: Page | None = None
    page_url: str = ""
    security_txt: bool = False
    code: Code | None = None
    not_found: list[str] = field(default_factory=list)


def address_of(text: str) -> SplitResult:
    """The http or https URL in `text`, with https where it names no scheme; raises InputError for anything else."""
    given = text.strip()
    whole = given if "://" in given else f"https://{given}"
    try:
        parts = urlsplit(whole)
        _ = parts.port
        if parts.scheme in {"http", "https"} and parts.hostname and parts.username is None:
            return parts
    except ValueError:
        pass
    expected = "an http or https URL with a host name, such as https://www.example.com"
    raise InputError([Mistake("--url", 0, 0, "no address of a deployment", repr(given[:200]), expected)])


def look(wanted: Wanted) -> Seen:
    """Look at what was named, and at nothing else. What cannot be seen is noted, and never taken for absent."""
    seen = Seen(wanted, list(_places(wanted)))
    with _session(seen) as session:
        for place in seen.places:
            _look_at(place, session)
        seen.described = _document(seen, session)
        _page(seen, session)
        _security_txt(seen, session)
    if wanted.repository is not None:
        seen.code = _code(wanted.repository)
    return seen


def _places(wanted: Wanted) -> Iterator[Place]:
    known: dict[str, Place] = {}
    for text in (*wanted.urls, *(one for one in (wanted.openapi, wanted.page) if one and "://" in one)):
        parts = address_of(text)
        base = f"{parts.scheme}://{parts.netloc}".lower()
        if base in known:
            continue
        host = re.sub(r"[^A-Za-z0-9.-]", "-", parts.hostname or "").strip("-.") or "host"
        name = f"{host}-http" if parts.scheme == "http" else host
        if name in {one.name for one in known.values()}:
            name = f"{name}-{parts.port}"
        asked = text in wanted.urls
        known[base] = Place(name[:100], base, (parts.path or "/") if asked else "/")
    yield from known.values()


@contextmanager
def _session(seen: Seen) -> Iterator[Session]:
    """A session whose scope is the places that were named."""
    wanted = seen.wanted
    description: dict[str, Any] = {
        "name": "a deployment",
        "environment": "production",
        "timeout_seconds": _SECONDS,
        "ca": str(wanted.ca.resolve()) if wanted.ca else None,
        "endpoints": [{"name": one.name, "url": one.url, "address": wanted.address} for one in seen.places],
    }
    with tempfile.TemporaryDirectory(prefix="upheld-init-") as scratch:
        target = Target.model_validate(description)
        session = Session(target, Redactor(), Scope(target, Path(scratch)), Path(scratch), target_folder=Path.cwd())
        try:
            with session.scope.fence.up():
                yield session
        finally:
            session.close()


def _http(session: Session) -> Http:
    return cast("Http", session.probe(Http))


def _tried(call: Callable[[], T], not_found: list[str], what: str) -> T | None:
    """What the call gives; None, with the reason noted, where it could not be seen."""
    try:
        return call()
    except Unobservable as error:
        not_found.append(f"{what}: {error.reason}")
        return None


def _look_at(place: Place, session: Session) -> None:
    http = _http(session)
    url = urljoin(place.url, place.page)
    answer = _tried(lambda: http.get(url), place.not_found, place.page)
    if answer is not None:
        place.seen.append(f"{place.page} answers {answer.status}")
        if (after := redirect(answer)) is not None:
            declared = "" if http.in_scope(after) else ", which was not followed: add an endpoint where it is yours"
            place.seen.append(f"redirects to {after}{declared}")
        if place.secure:
            hsts = answer.header("strict-transport-security")
            place.seen.append(f"Strict-Transport-Security: {hsts}" if hsts else "no Strict-Transport-Security")
    if place.secure:
        _handshakes(place, session)
        _plain(place, session)


def _handshakes(place: Place, session: Session) -> None:
    tls = cast("Tls", session.probe(Tls))
    endpoint = next(one for one in session.target.endpoints if one.name == place.name)

    def versions() -> list[str]:
        return [one.value for one in TlsVersion if tls.handshake(endpoint, one).completed]

    accepted = _tried(versions, place.not_found, "versions of TLS")
    if accepted is not None:
        place.seen.append(f"accepts {', '.join(accepted)}")
    certificate = _tried(lambda: tls.certificate(endpoint), place.not_found, "the certificate")
    if certificate is not None:
        place.seen.append(certificate.summary)
        if not certificate.chain_verified:
            place.not_found.append(f"who signs its certificate (`ca` names a file): {certificate.chain_error}")


def _plain(place: Place, session: Session) -> None:
    """What answers plain HTTP at port 80, which belongs to a web address at port 443."""
    parts = urlsplit(place.url)
    if (parts.port or 443) != 443:
        return
    plain = f"http://{parts.hostname}{place.page}"
    attempt = _tried(lambda: _http(session).attempt("GET", plain), place.not_found, "plain HTTP")
    if attempt is not None:
        after = redirect(attempt.answer) if attempt.answer else None
        place.seen.append(f"plain HTTP: {attempt.summary}{f' and redirects to {after}' if after else ''}")


def _document(seen: Seen, session: Session) -> Described | None:
    """The OpenAPI document that was named, or the first that stands at one of the usual places."""
    endpoints = {one.name: one for one in session.target.endpoints}
    named = seen.wanted.openapi
    if named is None:
        tries = [(endpoints[place.name], where) for place in seen.places if place.seen for where in DOCUMENTS]
    elif "://" in named:
        base = "{0.scheme}://{0.netloc}".format(urlsplit(named)).lower()
        place = next(one for one in seen.places if one.url == base)
        tries = [(endpoints[place.name], named[len(base) :] or "/")]
    else:
        tries = [(endpoints[seen.places[0].name], str(Path(named).resolve()))]
    for endpoint, where in tries:
        found = _read_document(endpoint, where, session, seen.not_found if named else [])
        if found is not None:
            login = sum(not one.public for one in found.operations)
            logins = named_logins(found, endpoint.url)
            return Described(endpoint.name, where, len(found.operations), login, inferred(found), logins)
    if named is None and tries:
        seen.not_found.append(f"an OpenAPI document: none stands at {', '.join(DOCUMENTS)}")
    return None


def _read_document(endpoint: Endpoint, where: str, session: Session, not_found: list[str]) -> openapi.Document | None:
    def read() -> openapi.Document:
        file = "file:" if Path(where).is_absolute() and Path(where).is_file() else ""
        document = openapi.load(f"{file}{where}", endpoint, Path("/"), _http(session).client)
        if not document.operations:
            raise Unobservable("the document has no operation")
        return document

    return _tried(read, not_found, f"the OpenAPI document at {where}")


def _page(seen: Seen, session: Session) -> None:
    named = seen.wanted.page
    if named is None:
        return
    if "://" not in named:
        seen.page = of_file(Path(named))
        return

    def read() -> Page:
        return of_answer(_http(session).follow_redirects(named)[-1])

    seen.page_url = named
    seen.page = _tried(read, seen.not_found, "the security page")


def _security_txt(seen: Seen, session: Session) -> None:
    for place in seen.places:
        if place.secure and place.seen:
            url = f"{place.url}{SECURITY_TXT}"
            answer = _tried(lambda url=url: _http(session).get(url), place.not_found, "security.txt")  # type: ignore[misc]
            if answer is not None:
                there = answer.status == 200 and answer.media_type == "text/plain"
                place.seen.append(f"security.txt {'is there' if there else f'answers {answer.status}'}")
                seen.security_txt = seen.security_txt or there


# --- the repository --------------------------------------------------------------------------------------------------


def _code(folder: Path) -> Code:
    if not folder.is_dir():
        raise InputError([Mistake("--repository", 0, 0, "is no folder", str(folder), "a clone with its whole history")])
    branch = _git(folder, "symbolic-ref", "--quiet", "--short", "HEAD") or "main"
    code = Code(folder.resolve(), branch)
    description = {"path": str(code.folder), "branch": branch}
    target = Target.model_validate({"name": "code", "environment": "production", "repository": description})
    with tempfile.TemporaryDirectory(prefix="upheld-init-") as scratch:
        session = Session(target, Redactor(), Scope(target), Path(scratch), target_folder=code.folder)
        try:
            with session.scope.fence.up():
                _look_at_code(code, session)
        finally:
            session.close()
    remote = _git(folder, "config", "--no-includes", "--get", "remote.origin.url")
    code.forge = _forge(remote)
    if code.forge is None:
        code.not_found.append("the forge: its remote is none of " + " and ".join(_FORGES))
    return code


def _look_at_code(code: Code, session: Session) -> None:
    git, base = cast("Git", session.probe(Git)), cast("Codebase", session.probe(Codebase))
    head = _tried(git.head, code.not_found, f"the branch {code.branch}")
    if head is None:
        return
    code.seen.append(f"ends with {head[:12]}")
    if (found := _tried(base.workflows, code.not_found, "definitions of pipelines")) is not None:
        code.seen.append(f"pipelines: {', '.join(dict.fromkeys(one.path for one in found))}")
    if (locks := _tried(base.lock_files, code.not_found, "lock files")) is not None:
        code.seen.append(f"lock files: {', '.join(map(str, locks))}")
    bot = _tried(base.update_bot, code.not_found, "the update bot")
    if bot is not None:
        code.seen.append(f"update bot: {bot.file}")
        code.updates = True


def _git(folder: Path, *command: str) -> str:
    """What git says of a repository, without its hooks, monitors and the settings of whoever runs this; empty for nothing."""
    argv = [
        "git",
        "-c",
        f"safe.directory={folder.resolve()}",
        "-c",
        "core.fsmonitor=false",
        "-C",
        str(folder),
        *command,
    ]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    try:
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _forge(remote: str) -> tuple[str, str, str, str] | None:
    """Kind, URL of the API, owner and name of the repository behind a remote of a forge that is known."""
    found = _REMOTE.fullmatch(remote)
    known = _FORGES.get(found["host"].lower()) if found else None
    if not found or known is None:
        return None
    owner, _, name = found["path"].strip("/").rpartition("/")
    return (*known, owner, name) if owner and name else None
