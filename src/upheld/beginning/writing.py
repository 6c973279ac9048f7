"""The two files as text: what was seen as data, and what could not be found out as comments with an example to fill in.

Everything that a deployment said stands in quotes, or in a comment of one line in which no character can end it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from upheld.beginning.looking import Code, Place, Seen
from upheld.catalogue import Catalogue
from upheld.doctor.advice import example
from upheld.drafting.proposing import Drafted
from upheld.drafting.writing import comment, page_lines, parameters_text, quoted
from upheld.probes.inferring import Inferred
from upheld.reporting.text import safe

_UNSEEN = ("database", "logs", "registers", "host", "backups", "reset")
"""Parts of which nothing can be seen from outside; the others follow from what a policy needs, and `upheld doctor` shows them."""


def _not_found(text: str, part: str = "", indent: str = "") -> Iterator[str]:
    """A comment that something was not found out, with the example of a part to fill in."""
    yield comment(f"not found out: {text}", indent)
    for line in example(part).splitlines() if part else ():
        yield f"{indent}# {line}".rstrip()


def _name(seen: Seen) -> str:
    return urlsplit(seen.places[0].url).netloc


# --- the target ------------------------------------------------------------------------------------------------------


def target_text(seen: Seen, today: date) -> str:
    """The target file."""
    return "\n".join(_target(seen, today)) + "\n"


def _target(seen: Seen, today: date) -> Iterator[str]:
    wanted = seen.wanted
    yield comment(
        f"Written by `upheld init` on {today} from what could be seen; what could not is marked `not found out`."
    )
    yield "# docs/target.md describes every part; `upheld doctor` says which ones a policy needs and what is still lacking."
    yield "upheld: target/1"
    yield f"name: {quoted(_name(seen))}"
    yield "# not found out: whether it is production. If not, say staging; in production no check writes or floods but those named here:"
    yield "# allow_intrusive: [tenancy.foreign_identifiers_are_refused]"
    yield "environment: production"
    if wanted.ca is not None:
        yield f"ca: {quoted(str(wanted.ca.resolve()))}"
    yield "endpoints:"
    for place in seen.places:
        yield from _place(place, wanted.address)
    yield from _publication(seen)
    yield from _api(seen)
    yield from _repository(seen.code)
    for part in _UNSEEN:
        yield ""
        yield from _not_found(part, part)


def _place(place: Place, address: str | None) -> Iterator[str]:
    pinned = f", address: {quoted(address)}" if address else ""
    pages = f", pages: [{quoted(place.page)}]" if place.page != "/" else ""
    yield f"  - {{name: {quoted(place.name)}, url: {quoted(place.url)}{pinned}{pages}}}"
    for text in place.seen:
        yield comment(text, "    ")
    for text in place.not_found:
        yield from _not_found(text, indent="    ")


def _publication(seen: Seen) -> Iterator[str]:
    yield ""
    if not seen.page_url:
        yield from _not_found("where the claims are published", "publication")
        return
    yield "publication:"
    yield f"  page: {quoted(seen.page_url)}"
    if seen.page is not None:
        yield f"  main: {quoted(seen.page.main)}  # the element that holds its text, without navigation"
        yield comment(f"{len(seen.page.sentences)} sentences", "  ")
    else:
        yield from _not_found(
            "the element that holds its text: main is what is taken, unless this says another", indent="  "
        )
        yield '  # main: "main"'


def _api(seen: Seen) -> Iterator[str]:
    yield ""
    for text in seen.not_found:
        yield from _not_found(text)
    found = seen.described
    if found is None:
        yield from _not_found("the API", "api")
        return
    yield "api:"
    yield f"  endpoint: {quoted(found.endpoint)}"
    yield f"  openapi: {quoted(found.where)}"
    yield comment(
        f"{found.operations} operations, of which {found.with_login} ask for a login, as the document says", "  "
    )
    yield from recipe_lines(found.recipes)
    if found.logins:
        yield comment("Ways to log in, as the document says; identities that log in so are still to be named.", "  ")
        yield "  logins:"
        for name, login in found.logins.items():
            yield f"    {name}: {{{', '.join(f'{key}: {_written(value)}' for key, value in login.items())}}}"
    missing = [] if found.logins else ["how somebody logs in"]
    missing += [] if found.recipes else ["how objects are made"]
    yield from _not_found(f"{', and '.join(missing) or 'what else an API needs'}: by way of example", indent="  ")
    for line in example("api").splitlines()[3:]:
        if found.logins and line.strip().startswith(("logins:", "password:")):
            continue
        yield f"  # {line.removeprefix('  ')}"
    yield from _not_found("tenants", "tenants")
    name = next(iter(found.logins), "password")
    for line in _not_found("identities", "identities"):
        # The example is to fit the login that was found.
        known = line.replace("login: password", f"login: {name}")
        yield known.replace("email:", "username:") if name in {"oauth2", "basic"} else known


def _written(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {_exact(one)}' for key, one in value.items())}}}"
    return _exact(value)


def recipe_lines(recipes: tuple[Inferred, ...]) -> Iterator[str]:
    """The sections `parameters` and `objects` of an API, with the reason for each recipe and what was not found out as comments."""
    if not recipes:
        return
    yield "  parameters:"
    for one in recipes:
        for name in one.parameters:
            yield f"    {_exact(name)}: {_exact(one.kind)}"
    yield comment("How objects are made, inferred from the document: look at it before anything is made by it.", "  ")
    yield "  objects:"
    for one in recipes:
        yield comment(f"inferred: {one.because}", "    ")
        for text in one.body:
            yield comment(text, "      ")
        for text in one.unknown:
            yield from _not_found(text, indent="    ")
        yield f"    {_exact(one.kind)}:"
        for name, value in one.recipe.items():
            yield f"      {name}: {_exact(value)}"


def _exact(value: object) -> str:
    """As `quoted`, with what no reader would see, or see otherwise, spelled out: the words are a stranger's and must stay as they are."""
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in quoted(value))


def _repository(code: Code | None) -> Iterator[str]:
    yield ""
    if code is None:
        yield from _not_found("the repository", "repository")
        yield from _not_found("the forge", "forge")
        return
    yield "repository:"
    yield f"  path: {quoted(str(code.folder))}"
    yield f"  branch: {quoted(safe(code.branch))}"
    for text in code.seen:
        yield comment(text, "  ")
    yield from _not_found("from when on its rules hold, and what of it is sensitive: by way of example", indent="  ")
    for line in example("repository").splitlines()[3:]:
        yield f"  # {line.removeprefix('  ')}"
    for text in code.not_found:
        yield from _not_found(text)
    if code.forge is None:
        yield from _not_found("the forge", "forge")
    else:
        kind, url, owner, name = (quoted(safe(one)) for one in code.forge)
        yield "# not found out: a token for the forge. What needs it is inconclusive as long as the variable is not set."
        yield f'forge: {{kind: {kind}, url: {url}, owner: {owner}, repository: {name}, token: "env:FORGE_AUDIT_TOKEN"}}'
    yield "stores_searched:"
    yield f"  repositories: [{{path: {quoted(str(code.folder))}}}]"


# --- the policy ------------------------------------------------------------------------------------------------------


def policy_text(seen: Seen, drafted: Sequence[Drafted], catalogue: Catalogue, today: date) -> str:
    """The policy file: of the page's own sentences as they were drafted, or without a promise of a page a starter that says that it is one."""
    if seen.page and any(one.promise for one in drafted):
        name = f"Security page of {_name(seen)}"
        lines = page_lines(seen.page, drafted, name=name, live=bool(seen.page_url))
    else:
        lines = _starter(seen, catalogue)
    return "\n".join([comment(f"Written by `upheld init` on {today}."), *lines]) + "\n"


_STARTERS: tuple[tuple[str, str, str, Sequence[tuple[str, Mapping[str, Any]]]], ...] = (
    (
        "starter-tls",
        "https",
        "Starter: public endpoints speak TLS 1.2 or later, and nothing older",
        (("tls.refuses_old_versions", {"minimum": "TLS 1.2"}), ("tls.accepts_current_versions", {})),
    ),
    (
        "starter-certificates",
        "https",
        "Starter: public endpoints have valid certificates",
        (("tls.certificates_are_valid", {}),),
    ),
    (
        "starter-plain-http",
        "",
        "Starter: plain HTTP only redirects to HTTPS",
        (("web.plain_http_only_redirects", {}),),
    ),
    (
        "starter-hsts",
        "https",
        "Starter: browsers are told to stay with HTTPS",
        (("web.hsts_is_set", {"minimum_seconds": 1}),),
    ),
    (
        "starter-mixed-content",
        "https",
        "Starter: pages load nothing in the clear",
        (("traffic.pages_load_nothing_in_the_clear", {}),),
    ),
    (
        "starter-client-code",
        "",
        "Starter: what browsers are served holds no secret",
        (("sessions.client_code_holds_no_secret", {}),),
    ),
    (
        "starter-repository",
        "repository",
        "Starter: the repository holds no credentials in any version",
        (("credentials.repositories_hold_no_credentials", {}),),
    ),
    (
        "starter-updates",
        "repository",
        "Starter: a bot proposes updates for every kind of dependency",
        (("pipeline.update_bot_covers_every_ecosystem", {}),),
    ),
)


def _starter(seen: Seen, catalogue: Catalogue) -> Iterator[str]:
    yield "# A STARTER: nobody published these words. They are what can be decided of any deployment by looking at it from outside."
    yield "# Put your published sentences in their place (`upheld init --page URL` takes them from a page), and delete what you do not promise."
    yield "upheld: policy/1"
    yield f"name: {quoted(f'Starter for {_name(seen)} (not published words)')}"
    yield "claims:"
    described = {"": True, "https": any(one.secure for one in seen.places), "repository": seen.code is not None}
    for name, needs, statement, uses in _STARTERS:
        if described[needs] and all(check in catalogue for check, _ in uses):
            yield f"  - id: {name}"
            yield f"    statement: {quoted(statement)}"
            yield "    section: Starter"
            yield "    severity: medium  # not found out: how much it hurts when it does not hold"
            yield "    owner: somebody  # not found out: the team that answers for it"
            yield "    origin: policy"
            yield "    checks:"
            for check, parameters in uses:
                yield f"      - {check}{parameters_text(parameters)}"
