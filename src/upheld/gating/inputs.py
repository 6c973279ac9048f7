"""What a recorded look rested on, as a digest of the files that there are now, and whether a change touches it."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld.gating.checkout import Changed
from upheld.model import CheckResult, Observation, Verdict
from upheld.probes.base import Probe
from upheld.probes.resting import DEPLOYMENT, Rests, below
from upheld.probes.tools import tool_mark

if TYPE_CHECKING:
    from upheld.target.model import Target

_LOCATED = "file:"
"""How a reference to a secret in a file begins."""


def rests_of(probe: str, look: str) -> Rests:
    """What a look rests on, as its probe declares it; a probe that is not known rests on the deployment."""
    kind = Probe.kinds.get(probe)
    return kind.rests.get(look, DEPLOYMENT) if kind is not None else DEPLOYMENT


def observed(result: CheckResult) -> bool:
    """Whether a result is an end that was observed: a verdict over findings each of which was judged."""
    return (
        result.verdict in {Verdict.PASS, Verdict.FAIL}
        and bool(result.findings)
        and bool(result.observations)
        and all(one.verdict in {Verdict.PASS, Verdict.FAIL} for one in result.findings)
    )


def repeatable(result: CheckResult) -> bool:
    """Whether the same files, tools, description and parameters must give this result again, whenever and wherever."""
    return observed(result) and all(
        look.seen and rests_of(look.probe, look.look).repeatable for look in result.observations
    )


class Inputs:
    """The files that a run looks at."""

    def __init__(self, files: Mapping[str, str], target: Target) -> None:
        self._files = files
        self._target = target
        self._folders: set[str] | None = None
        self._known: dict[str, str] = {}

    def digest(self, probe: str, look: str, arguments: Any) -> str:
        """A digest over all that this look rests on; empty where a tool that looks cannot be told from another one."""
        asked = json.dumps([probe, look, arguments], sort_keys=True)
        if asked not in self._known:
            self._known[asked] = self._digest(rests_of(probe, look), arguments or {})
        return self._known[asked]

    def _digest(self, rests: Rests, arguments: Mapping[str, Any]) -> str:
        content, names = rests.content(self._target, arguments), rests.names(self._target, arguments)
        marks = [tool_mark(name) for name in rests.tools]
        if not all(marks):
            return ""
        read = [[path, sha] for path, sha in self._files.items() if content(path)]
        there = [path for path in self._files if names(path)]
        folders = [[one, self._has(one)] for one in rests.folders(self._target, arguments)]
        told = json.dumps([sorted(read), sorted(there), folders, marks])
        return hashlib.sha256(told.encode()).hexdigest()

    def _has(self, folder: str) -> bool:
        name = folder.strip("/").removeprefix("./")
        if self._folders is None:
            parts = [path.split("/") for path in self._files]
            self._folders = {"/".join(one[:depth]) for one in parts for depth in range(1, len(one) + 1)}
        return name in {"", "."} or name in self._folders


class Touched:
    """What a change touches."""

    def __init__(self, changed: Changed, target: Target, folder: Path, root: Path, deployed: Sequence[str] | None):
        """`folder` is that of the target file, `root` that of the repository; `deployed` are the policy's patterns."""
        self._changed = changed
        self._target = target
        self._deployed = deployed
        places = [_relative(folder, root, one) for one in _texts(target)]
        self._described = tuple(dict.fromkeys(one for one in places if one))

    def why(self, result: CheckResult) -> str:
        """Why the change may make the check come to something else; empty when it cannot."""
        for look in result.observations:
            reason = self._look(look)
            if reason:
                return reason
        return ""

    def _look(self, look: Observation) -> str:
        rests = rests_of(look.probe, look.look)
        arguments: Any = look.arguments if isinstance(look.arguments, Mapping) else {}
        content, names = rests.content(self._target, arguments), rests.names(self._target, arguments)
        folders = list(rests.folders(self._target, arguments))
        for path in sorted(self._changed.paths):
            if content(path):
                return f"{path} differs"
        for path in sorted(self._changed.come_or_gone):
            # A folder in which a file came or went may have come or gone with it; that a file is below `.` says nothing.
            if names(path) or below(
                path, [one for one in folders if one.strip("/").removeprefix("./") not in {"", "."}]
            ):
                return f"{path} came or went"
        return self._outside(rests.outside) if rests.outside else ""

    def _outside(self, what: str) -> str:
        if self._deployed is None:
            return f"it rests on {what}, and the policy does not say which changes reach it (gate.deployed_from)"
        for path in sorted(self._changed.paths):
            if any(fnmatch.fnmatchcase(path, pattern) for pattern in self._deployed):
                return f"{path} differs, of which the deployment is made"
            for one in self._described:
                if path == one or path.startswith(f"{one}/") or fnmatch.fnmatchcase(path, one):
                    return f"{path} differs, which the target names"
        return ""


def _texts(target: Target) -> Iterator[str]:
    """Every text in a target's description that may name a file, but for where its repository is and what lies in it."""
    waiting: list[Any] = [target.model_dump(mode="json", exclude={"repository"})]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value.removeprefix(_LOCATED)
        elif isinstance(value, dict):
            waiting += [*value.values(), *value.keys()]
        elif isinstance(value, list):
            waiting += value


def _relative(folder: Path, root: Path, text: str) -> str:
    """A text as a path below the root of the repository; empty where it is none, or is the root itself."""
    if "\0" in text or "\n" in text or len(text) > 1_000:
        return ""
    whole = posixpath.normpath(posixpath.join(folder.as_posix(), text))
    inside = posixpath.relpath(whole, root.as_posix())
    return "" if inside == "." or inside.startswith("..") else inside
