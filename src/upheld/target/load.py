"""Loading a target description, with every mistake said at once and no secret repeated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from upheld import documents
from upheld.documents import Document, Location, Suggestions, check, in_order, shorten
from upheld.errors import InputError, Mistake
from upheld.target.model import Target

_SECRET_NAME = re.compile(r"(?i)passw|passphrase|secret|token|api_?key|credential")
_SHOWN = 5
_SAID_BETTER_HERE = frozenset({"duplicate", "unknown"})
"""What the model says about names that are twice or not there, without a place and one at a time."""


def load_target(path: Path, checks: Collection[str] | None = None) -> tuple[Target, str]:
    """The target that the file describes, and the SHA-256 of its bytes; raises InputError with every mistake.

    With `checks`, the names of all there are, those in `allow_intrusive` must be among them. Nothing is resolved or contacted: a secret that is not there is found when a probe needs it.
    """
    document = documents.load(path)
    target, mistakes = check_target(document, checks)
    if target is None or mistakes:
        raise InputError(mistakes)
    return target, document.digest


def check_target(document: Document, checks: Collection[str] | None = None) -> tuple[Target | None, list[Mistake]]:
    """The target that the document describes, or None, and every mistake; as `load_target` does it."""
    data = written_out(document.data)
    target, mistakes = check(document, Target, data, ignore=_SAID_BETTER_HERE)
    mistakes = [*mistakes, *_wrong_names(document), *_literal_secrets(document)]
    if checks is not None:
        mistakes += _unknown_checks(document, checks)
    if target is not None:
        mistakes += _unknown_hosts(document, target)
    if target is None and not mistakes:  # What the model says of names is ignored above, and nothing else has said it.
        _, mistakes = check(document, Target, data)
    return target, in_order(mistakes)


def written_out(data: Any) -> Any:
    """The data without the one thing that is short for others: `objects: inferred`."""
    api = data.get("api") if isinstance(data, dict) else None
    if isinstance(api, dict) and api.get("objects") == "inferred":
        return {**data, "api": {"infer_objects": True, **api, "objects": {}}}
    return data


def _wrong_names(document: Document) -> Iterator[Mistake]:
    """Names that two parts share, and names that stand for no part; over the data, so that other mistakes do not hide them."""
    data = document.data if isinstance(document.data, dict) else {}
    suggestions = Suggestions()
    known: dict[str, dict[str, Location]] = {}
    for part, what in (
        ("endpoints", "endpoint"),
        ("tenants", "tenant"),
        ("identities", "identity"),
        ("logs", "log source"),
    ):
        names: dict[str, Location] = known.setdefault(part, {})
        for at, entry in _entries(data, part):
            name = entry.get("name")
            if isinstance(name, str):
                first = names.setdefault(name, (*at, "name"))
                if first != (*at, "name"):
                    message = f"two {what} entries are called {shorten(name)}: the first is at {document.spot(first)}"
                    yield document.mistake((*at, "name"), message, expected="a name of its own")
    api = data.get("api")
    logins = api.get("logins") if isinstance(api, dict) else None
    known["logins"] = dict.fromkeys(logins if isinstance(logins, dict) else (), ())
    staff = data.get("staff")
    for at, entry in _entries(staff if isinstance(staff, dict) else {}, "identities"):
        if isinstance(name := entry.get("name"), str):
            known.setdefault("staff.identities", {})[name] = at
    references: list[tuple[Location, object, str, str]] = []
    if isinstance(api, dict):
        references.append((("api", "endpoint"), api.get("endpoint"), "endpoints", "endpoint"))
    for at, entry in _entries(data, "identities"):
        references.append(((*at, "tenant"), entry.get("tenant"), "tenants", "tenant"))
        if isinstance(api, dict):
            references.append(((*at, "login"), entry.get("login"), "logins", "login"))
    for at, entry in _entries(data, "canary_flows"):
        references.append(((*at, "identity"), entry.get("identity"), "identities", "identity"))
    references += _of_reset(data)
    for at, name, part, what in references:
        names = known.get(part, {})
        if isinstance(name, str) and name not in names:
            close = suggestions.nearest(name, names)
            there = ", ".join(list(names)[:_SHOWN]) or f"a name that stands under {part}"
            expected = "" if close else f"one of {there}" if names else there
            yield document.mistake(at, f"no {what} is called {shorten(name)}", expected=expected, nearest=close)


def _of_reset(data: Mapping[str, Any]) -> Iterator[tuple[Location, object, str, str]]:
    """What the reset names: where the name stands, the name, the part that it must stand in, and what that has."""
    reset = data.get("reset")
    for part in ("request", "ready"):
        entry = reset.get(part) if isinstance(reset, dict) else None
        if isinstance(entry, dict):
            at = ("reset", part)
            yield (*at, "endpoint"), entry.get("endpoint"), "endpoints", "endpoint"
            yield (*at, "identity"), entry.get("identity"), "identities", "identity"
            yield (*at, "staff"), entry.get("staff"), "staff.identities", "staff identity"


def _unknown_checks(document: Document, checks: Collection[str]) -> Iterator[Mistake]:
    """Names in allow_intrusive that are no check's: whoever wrote them meant another one to run, or not to."""
    data = document.data if isinstance(document.data, dict) else {}
    listed = data.get("allow_intrusive")
    suggestions = Suggestions()
    for index, name in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(name, str) and name not in checks:
            close = suggestions.nearest(name, checks)
            message, expected = f"no check is called {shorten(name)}", "" if close else "the name of a check"
            yield document.mistake(("allow_intrusive", index), message, expected=expected, nearest=close)


def _unknown_hosts(document: Document, target: Target) -> Iterator[Mistake]:
    """Hosts that are given limits, and that nothing is sent to: the host that was meant would be sent too much."""
    known = [one.host for one in target.endpoints]
    known += [one.host for one in (target.internal.services if target.internal else ())]
    known += [one.endpoint.host for one in (target.forge, target.advisories) if one is not None and one.endpoint]
    suggestions = Suggestions()
    for name in target.limits.hosts if target.limits else ():
        if name.lower().rstrip(".") not in {one.lower().rstrip(".") for one in known}:
            message, close = f"the target names no host {shorten(name)}", suggestions.nearest(name, known)
            expected = "" if close else "a host that the target names"
            place = ("limits", "hosts", name)
            yield document.mistake(place, message, key=True, expected=expected, nearest=close)


def _literal_secrets(document: Document) -> Iterator[Mistake]:
    """Identities' plain values whose names say that they are secret; the value is not repeated."""
    data = document.data if isinstance(document.data, dict) else {}
    for at, entry in _entries(data, "identities"):
        values = entry.get("values")
        for name in values if isinstance(values, dict) else ():
            if _SECRET_NAME.search(name):
                message = f"{shorten(name)} is a secret and stands among the plain values"
                expected = "the same name under 'secrets', with a reference (env:NAME or file:PATH)"
                yield document.mistake((*at, "values", name), message, key=True, expected=expected)


def _entries(data: Mapping[str, Any], part: str) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    listed = data.get(part)
    for index, entry in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(entry, dict):
            yield (part, index), entry
