"""Which files a change of which needs the security team's approval."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

TEAM = "security"
"""The team whose approval it is."""

PATHS = {
    "auth": (
        "rivet/passwords.py",
        "rivet/api/*token*",
        "rivet/api/*session*",
        "rivet/api/*login*",
        "rivet/api/*lockout*",
        "rivet/api/*role*",
        "rivet/api/*account*",
        "rivet/api/*member*",
        "rivet/edge/*session*",
        "rivet/edge/*login*",
        "rivet/staff/*",
    ),
    "billing": ("rivet/*billing*", "rivet/*invoice*", "rivet/*plan*"),
    "credentials": (
        "rivet/*vault*",
        "rivet/*credential*",
        "rivet/*secret*",
        "rivet/*signing*",
        "rivet/*signature*",
        "rivet/graph/*",
        "rivet/pki.py",
    ),
    "pipelines": (".github/*", "infrastructure/*", "Dockerfile"),
}
"""Patterns (fnmatch, ``*`` also matches ``/``) by area, as SECURITY.md promises them."""


def touched(paths: Iterable[str]) -> set[str]:
    """The areas that a change of these files touches."""
    changed = tuple(paths)
    return {
        area
        for area, patterns in PATHS.items()
        if any(fnmatchcase(path, pattern) for path in changed for pattern in patterns)
    }
