"""What lock files pin: Python's in several formats, npm's and Cargo's."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from upheld.errors import Unobservable

PYPI, NPM, CRATES = "PyPI", "npm", "crates.io"
_NAMES = re.compile(
    r"(^|/)(requirements[^/]*\.(lock|txt)|poetry\.lock|uv\.lock|pdm\.lock|pylock(\.[^/]+)?\.toml|Pipfile\.lock|package-lock\.json"
    r"|npm-shrinkwrap\.json|yarn\.lock|pnpm-lock\.yaml|Cargo\.lock|go\.sum|Gemfile\.lock|composer\.lock|packages\.lock\.json)$"
)


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A package in one version."""

    name: str
    version: str

    def __str__(self) -> str:
        """`jinja2 3.1.6`."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, slots=True)
class Pins:
    """What a lock file pins; `skipped` are entries for which no version of a registry is told, with the reason."""

    ecosystem: str
    pins: tuple[Pin, ...]
    skipped: tuple[tuple[str, str], ...]


def is_lock_file(path: str) -> bool:
    """Whether a file is called like a lock file."""
    return _NAMES.search(path) is not None


def read_lock_file(path: str, text: str) -> Pins:
    """What the lock file pins; raises Unobservable for a format that is not known and for one that cannot be read."""
    name = path.rpartition("/")[2]
    try:
        if name in {"package-lock.json", "npm-shrinkwrap.json"}:
            return _gathered(NPM, _npm(json.loads(text)))
        if name == "Pipfile.lock":
            return _gathered(PYPI, _pipfile(json.loads(text)))
        if name == "Cargo.lock":
            return _gathered(CRATES, _toml(tomllib.loads(text)["package"]))
        if name in {"poetry.lock", "uv.lock", "pdm.lock"}:
            return _gathered(PYPI, _toml(tomllib.loads(text)["package"]))
        if name.startswith("pylock") and name.endswith(".toml"):
            return _gathered(PYPI, _toml(tomllib.loads(text)["packages"]))
        if name.endswith((".lock", ".txt")) and (name.startswith("requirements") or "==" in text):
            return _gathered(PYPI, _requirements(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unobservable(f"the lock file {path} cannot be read: {type(error).__name__} {error}") from error
    raise Unobservable(f"lock files like {path} cannot be read yet")


def _gathered(ecosystem: str, entries: Iterator[Pin | tuple[str, str]]) -> Pins:
    pins: set[Pin] = set()
    skipped: list[tuple[str, str]] = []
    for one in entries:
        if isinstance(one, Pin):
            pins.add(one)
        else:
            skipped.append(one)
    return Pins(ecosystem, tuple(sorted(pins)), tuple(skipped))


def _npm(lock: dict[str, Any]) -> Iterator[Pin | tuple[str, str]]:
    if "packages" not in lock:
        yield from _npm_1(lock["dependencies"])
        return
    for at, one in lock["packages"].items():
        if not at or one.get("link"):
            continue
        name = str(one.get("name") or at.rpartition("node_modules/")[2])
        source = str(one.get("resolved") or "")
        if source.startswith(("git", "file:")):
            yield name, f"comes from {source.partition(':')[0]}, not from a registry"
        elif "node_modules/" not in at:
            continue  # A workspace: the repository's own code.
        elif not one.get("version"):
            yield name, "has no version"
        else:
            yield Pin(name, str(one["version"]))


def _npm_1(packages: dict[str, Any]) -> Iterator[Pin | tuple[str, str]]:
    """The first format, with the packages of packages inside."""
    waiting = [packages]
    while waiting:
        for name, one in waiting.pop().items():
            version = str(one["version"])
            if re.match(r"\d", version):
                yield Pin(name, version)
            elif match := re.fullmatch(r"npm:(@?[^@]+)@(\d.*)", version):
                yield Pin(match[1], match[2])
            else:
                yield name, f"comes from {version.partition(':')[0]}, not from a registry"
            if one.get("dependencies"):
                waiting.append(one["dependencies"])


def _pipfile(lock: dict[str, Any]) -> Iterator[Pin | tuple[str, str]]:
    for part in ("default", "develop"):
        for name, one in lock.get(part, {}).items():
            version = str(one.get("version") or "")
            yield Pin(_canonical(name), version[2:]) if version.startswith("==") else (name, "has no version")


def _toml(packages: list[dict[str, Any]]) -> Iterator[Pin | tuple[str, str]]:
    for one in packages:
        source = one.get("source")
        if isinstance(source, dict) and set(source) & {"virtual", "editable"} and source.get("editable") in {None, "."}:
            continue  # The project itself.
        elsewhere = isinstance(source, dict) and set(source) & {"git", "url", "path", "directory", "editable"}
        if elsewhere or (isinstance(source, str) and not source.startswith("registry+")):
            yield str(one["name"]), "does not come from a registry"
        elif "version" not in one:
            yield str(one["name"]), "has no version"
        else:
            yield Pin(str(one["name"]), str(one["version"]))


def _requirements(text: str) -> Iterator[Pin | tuple[str, str]]:
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415  (only where it is needed)

    for line in re.sub(r"\\\r?\n", " ", text).splitlines():
        entry = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not entry:
            continue
        if entry.startswith("-"):
            if re.match(r"(-e|--editable|-r|--requirement|-c|--constraint)\b", entry):
                yield entry[:100], "leads elsewhere"
            continue
        # What each entry asks of pip stands behind it; which platform it is for (a marker) does not matter here.
        entry = re.split(r"\s--?[a-z]", entry, maxsplit=1)[0].strip()
        try:
            wanted = Requirement(entry)
        except InvalidRequirement:
            yield entry[:100], "cannot be understood"
            continue
        exact = [one.version for one in wanted.specifier if one.operator in {"==", "==="}]
        if wanted.url:
            yield wanted.name, "comes from a URL, not from a registry"
        elif len(exact) != 1 or exact[0].endswith(".*"):
            yield wanted.name, "is not pinned to one version"
        else:
            yield Pin(_canonical(wanted.name), exact[0])


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
