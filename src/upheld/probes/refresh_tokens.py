"""Whether a login handed out anything that may be a refresh token: whatever looks made by chance, and is not the credential itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from upheld.errors import Unobservable
from upheld.probes.openapi import FORM, names_identifier

if TYPE_CHECKING:
    from upheld.probes.api_logins import Begun
    from upheld.probes.http_client import Answer

_BY_CHANCE = re.compile(r"(?=[^A-Za-z]*[A-Za-z])(?=[^0-9]*[0-9])[A-Za-z0-9._~+/=-]{16,}")
"""Whatever could be told from an ordinary word, and is long enough not to be guessed."""
_REFRESH = re.compile(r"(?i)refresh")
_NEVER = re.compile(r"(?i)csrf|xsrf|^id_?token$")
"""Tokens against forged requests, and what says who somebody is (OpenID Connect Core §2): neither is exchanged for anything."""
_HEADERS = re.compile(r"token|refresh|session|^authorization$")
_NAMED = re.compile(r"(?i)refresh[_-]?token")
_UNKNOWN = "0123456789abcdef"
_DEPTH = 20


def places_handed_out(begun: Begun) -> tuple[str, ...]:
    """Where the answers of a login hold what may be a refresh token: JSON pointers, `header NAME` or `cookie NAME`.

    A value whose name speaks of refreshing counts whatever it is; others where they are long and look made by chance.
    """
    credential = begun.credential.token if begun.credential is not None else ""
    cookies = begun.credential.cookies if begun.credential is not None else {}
    found: dict[str, None] = {}
    for answer in begun.answers:
        values = _in_body(answer)
        for name, value in answer.headers:
            if name == "location":
                parts = urlsplit(value)
                values += [(f"header {name}", *one) for one in (*parse_qsl(parts.query), *parse_qsl(parts.fragment))]
            elif name == "set-cookie":
                cookie, _, held = value.partition(";")[0].partition("=")
                # What a client without a jar is given is not kept, and then any cookie may be one.
                text = cookies.get(cookie.strip(), _UNKNOWN) if held.strip() else ""
                values.append((f"cookie {cookie.strip()}", cookie.strip(), text))
            elif _HEADERS.search(name):
                values.append((f"header {name}", name, value))
        for place, name, value in values:
            known = value.rpartition(" ")[2] == credential or not value or _NEVER.search(name)
            chance = _BY_CHANCE.fullmatch(value.rpartition(" ")[2]) and not names_identifier(name)
            if not known and (chance or _REFRESH.search(name)):
                found[place] = None
    return tuple(found)


def _in_body(answer: Answer) -> list[tuple[str, str, str]]:
    """The texts in an answer's body, each with its place and its name; raises Unobservable for a body that cannot be read."""
    if answer.truncated:
        raise Unobservable("the answer of the login is longer than is read, so that what it hands out is not known")
    if answer.blank:
        return []
    if answer.media_type == FORM:
        return [(f"/{name}", name, value) for name, value in parse_qsl(answer.text)]
    if answer.media_type in {"text/html", "application/xhtml+xml"}:
        # A page is for people: only what it says in so many words is looked for in it.
        return [("the page", "refresh", "x")] if _NAMED.search(answer.text) else []
    return list(_in_json(answer.json(), "", "", 0))


def _in_json(data: Any, place: str, name: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if depth > _DEPTH:
        raise Unobservable("the answer of the login is nested too deeply")
    if isinstance(data, Mapping):
        for key, item in data.items():
            yield from _in_json(item, f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}", str(key), depth + 1)
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from _in_json(item, f"{place}/{index}", name, depth + 1)
    elif isinstance(data, str):
        yield place, name, data
