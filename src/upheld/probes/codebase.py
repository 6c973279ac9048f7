"""What stands in the repository at the branch's head about how it is built: pipelines, lock files, owners, the update bot."""

from __future__ import annotations

import fnmatch
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git import Git
from upheld.probes.gitlab_pipelines import gitlab_workflow
from upheld.probes.lock_files import is_lock_file
from upheld.probes.owners_file import PLACES, Ownership, OwnersOf, read_owners
from upheld.probes.resting import DESCRIBED, Arguments, Resting, Rests
from upheld.probes.workflows import Workflow, github_workflow, load_yaml

if TYPE_CHECKING:
    from collections.abc import Callable

    from upheld.target.code import Repository
    from upheld.target.model import Target

_GITHUB = re.compile(r"^\.github/workflows/[^/]+\.ya?ml$")
_GITLAB = (".gitlab-ci.yml", ".gitlab-ci.yaml")
_DEPENDABOT = (".github/dependabot.yml", ".github/dependabot.yaml")
_RENOVATE = (
    "renovate.json",
    "renovate.json5",
    ".renovaterc",
    ".renovaterc.json",
    ".github/renovate.json",
    ".github/renovate.json5",
    ".gitlab/renovate.json",
)
_ECOSYSTEMS = (
    ("pip", r"(requirements[^/]*\.(txt|in)|pyproject\.toml|setup\.(py|cfg)|Pipfile|poetry\.lock)"),
    ("uv", r"uv\.lock"),
    ("npm", r"(package\.json|package-lock\.json|yarn\.lock|pnpm-lock\.yaml)"),
    ("docker", r"((.*\.)?Dockerfile(\..*)?|Containerfile)"),
    ("docker-compose", r"(docker-)?compose(\.[^/]*)?\.ya?ml"),
    ("gomod", r"go\.mod"),
    ("cargo", r"Cargo\.toml"),
    ("bundler", r"(Gemfile|.*\.gemspec)"),
    ("composer", r"composer\.json"),
    ("maven", r"pom\.xml"),
    ("gradle", r"build\.gradle(\.kts)?"),
    ("nuget", r"(.*\.csproj|packages\.config)"),
    ("terraform", r".*\.tf"),
    ("gitsubmodule", r"\.gitmodules"),
)
_SAME = {"uv": {"uv", "pip"}, "pip": {"pip", "uv"}, "npm": {"npm", "bun"}}
"""Names by which a bot's configuration may mean an ecosystem, where there are several."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A file with what the owners file says of it: nothing, or what the last line that matches does, on GitLab of each section."""

    path: str
    said: tuple[Ownership, ...]


@dataclass(frozen=True, slots=True)
class Area:
    """A sensitive area: its name and the patterns of its paths."""

    name: str
    patterns: tuple[str, ...]

    def holds(self, path: str) -> bool:
        """Whether a path belongs to it."""
        return any(fnmatch.fnmatchcase(path, pattern) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Security:
    """Who must approve what: the areas, the team, and accounts that were in it earlier."""

    areas: tuple[Area, ...]
    team: str
    organisation: str
    former: tuple[str, ...]

    def is_team(self, owner: str) -> bool:
        """Whether an owner, as the owners file writes it, is the security team: `@organisation/team`, `@group/subgroup/team`."""
        named = owner.removeprefix("@").lower()
        if "/" in self.team:
            return named == self.team.lower()
        organisation, slash, team = named.rpartition("/")
        return bool(slash) and team == self.team.lower() and self.organisation.lower() in {"", organisation}

    def touched(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the areas to which any of the paths belongs."""
        return tuple(area.name for area in self.areas if any(area.holds(path) for path in paths))


@dataclass(frozen=True, slots=True)
class LockFile:
    """A lock file; `left_out` says why the target wants it left out."""

    path: str
    left_out: str

    def __str__(self) -> str:
        """Its path."""
        return self.path


@dataclass(frozen=True, slots=True)
class Manifest:
    """A place with dependencies: `pip in /`."""

    ecosystem: str
    folder: str
    file: str

    def __str__(self) -> str:
        """`pip in /`."""
        return f"{self.ecosystem} in {self.folder}"


@dataclass(frozen=True, slots=True)
class Watched:
    """What an update bot's configuration covers: an ecosystem (`*` for all) in these folders; `idle` says why it does nothing."""

    ecosystem: str
    folders: tuple[str, ...]
    idle: str

    def covers(self, manifest: Manifest) -> bool:
        """Whether it looks after a place, idle or not."""
        names = _SAME.get(manifest.ecosystem, {manifest.ecosystem})
        if self.ecosystem != "*" and self.ecosystem not in names:
            return False
        return any(_folder_matches(pattern, manifest.folder) for pattern in self.folders)


@dataclass(frozen=True, slots=True)
class UpdateBot:
    """The configuration of an update bot: its file and what it covers."""

    file: str
    watched: tuple[Watched, ...]


def _pipelines(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    """A definition may lead to any other file of YAML in the repository."""
    declared = set(target.repository.pipelines if target.repository else ())
    return lambda path: path in declared or path.endswith((".yml", ".yaml"))


def _lock_files(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    declared = set(target.repository.lock_files if target.repository else ())
    return lambda path: path in declared or is_lock_file(path)


def _owners_files(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    named = target.repository.owners_file if target.repository else None
    places = {one for of_kind in PLACES.values() for one in of_kind} | {named}
    return lambda path: path in places


def _area(target: Target, arguments: Arguments) -> Callable[[str], bool]:
    patterns = target.repository.sensitive_paths.get(str(arguments.get("area")), ()) if target.repository else ()
    return Area("", patterns).holds


def _manifests(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    def pick(path: str) -> bool:
        name = path.rpartition("/")[2]
        return (
            _GITHUB.match(path) is not None
            or name in {"action.yml", "action.yaml"}
            or (name.endswith(".lock") and name.startswith("requirements"))
            or any(re.fullmatch(pattern, name) for _, pattern in _ECOSYSTEMS)
        )

    return pick


def _update_bots(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    named = target.repository.update_bot_file if target.repository else None
    places = {*_DEPENDABOT, *_RENOVATE, named}
    return lambda path: path in places


class Codebase(Probe):
    """Files of the repository under `repository` in the target, at the branch's head."""

    name = "codebase"
    detached = True
    needs = ("repository",)
    rests: ClassVar[Resting] = {
        "workflows": Rests(content=_pipelines),
        "lock_files": Rests(names=_lock_files),
        "security": DESCRIBED,
        "owners": Rests(content=_owners_files, names=_area),
        "manifests": Rests(content=_manifests),
        "update_bot": Rests(content=_update_bots),
    }

    @look
    def workflows(self) -> tuple[Workflow, ...]:
        """What runs in the pipeline; raises Unobservable when there is no definition or one cannot be read."""
        paths = self._described.pipelines or tuple(
            path for path in self._git.paths() if _GITHUB.match(path) or path in _GITLAB
        )
        if not paths:
            raise Unobservable("the repository has no definition of a pipeline")
        found = []
        for path in paths:
            text = self._git.text(path)
            of_gitlab = path.rpartition("/")[2] in _GITLAB
            read = gitlab_workflow if of_gitlab else github_workflow
            found.append(read(path, text, self._git.text))
        return tuple(found)

    @look
    def lock_files(self) -> tuple[LockFile, ...]:
        """The lock files, declared ones and those with usual names; raises Unobservable when there is none."""
        present = set(self._git.paths())
        left_out = self._described.left_out_lock_files
        missing = sorted(set(self._described.lock_files) - present)
        if missing:
            raise Unobservable(f"the branch has no lock file {missing[0]}, which the target names")
        names = {path for path in present if is_lock_file(path)} | set(self._described.lock_files)
        if not names - set(left_out):
            raise Unobservable("the repository has no lock file")
        return tuple(LockFile(path, left_out.get(path, "")) for path in sorted(names))

    @look
    def security(self) -> Security:
        """The sensitive areas and whose approval they need; raises Unobservable when the target does not say."""
        described = self._described
        if not described.sensitive_paths or not all(described.sensitive_paths.values()):
            raise Unobservable("the target describes no sensitive paths")
        if not described.security_team:
            raise Unobservable("the target names no security team")
        areas = tuple(Area(name, patterns) for name, patterns in described.sensitive_paths.items())
        organisation = self.target.forge.owner if self.target.forge else ""
        return Security(areas, described.security_team, organisation, described.former_security_accounts)

    @look
    def owners(self, area: str) -> tuple[Owned, ...]:
        """Every file of a sensitive area with its owners; empty when the area has no file."""
        described = next(one for one in self.security().areas if one.name == area)
        owners = self._owners()
        return tuple(Owned(path, owners(path)) for path in self._git.paths() if described.holds(path))

    @look
    def manifests(self) -> tuple[Manifest, ...]:
        """Every place with dependencies, by ecosystem and folder; raises Unobservable when there is none."""
        found: dict[tuple[str, str], str] = {}
        for path in self._git.paths():
            folder, _, name = f"/{path}".rpartition("/")
            if _GITHUB.match(path):
                found.setdefault(("github-actions", "/"), path)
            elif name in {"action.yml", "action.yaml"}:
                found.setdefault(("github-actions", folder or "/"), path)
            for ecosystem, pattern in _ECOSYSTEMS:
                if re.fullmatch(pattern, name) and (name != "pyproject.toml" or self._has_dependencies(path)):
                    found.setdefault((ecosystem, folder or "/"), path)
            if name.endswith(".lock") and name.startswith("requirements"):
                found.setdefault(("pip", folder or "/"), path)
        if not found:
            raise Unobservable("the repository has no file that names dependencies")
        return tuple(Manifest(ecosystem, folder, path) for (ecosystem, folder), path in sorted(found.items()))

    @look
    def update_bot(self) -> UpdateBot | None:
        """The update bot's configuration; None when the repository has none."""
        present = set(self._git.paths())
        named = self._described.update_bot_file
        names = (named,) if named else (*_DEPENDABOT, *_RENOVATE)
        path = next((one for one in names if one in present), None)
        if path is None:
            return None
        if "dependabot" in path:
            return UpdateBot(path, _dependabot(load_yaml(path, self._git.text(path)), path))
        return UpdateBot(path, _renovate(self._git.text(path), path))

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Repository:
        if self.target.repository is None:
            raise Unobservable("the target describes no repository")
        return self.target.repository

    @property
    def _git(self) -> Git:
        return cast("Git", self.session.probe(Git))

    def _has_dependencies(self, path: str) -> bool:
        return re.search(r"(?m)^\s*(\[.*dependenc|dependencies\s*=|requires\s*=)", self._git.text(path)) is not None

    def _owners(self) -> OwnersOf:
        present = set(self._git.paths())
        named = self._described.owners_file
        kind: str = self.target.forge.kind if self.target.forge else ""
        usual = dict.fromkeys(one for of_kind, places in PLACES.items() for one in places if kind in {"", of_kind})
        places = (named,) if named else tuple(usual)
        path = next((one for one in places if one in present), None)
        if path is None:
            where = named or f"where {kind or 'a forge'} looks for it"
            raise Unobservable(f"the repository has no owners file {where}")
        if not kind:
            kind = {".github": "github", ".gitlab": "gitlab"}.get(path.partition("/")[0], "")
        if not kind:
            raise Unobservable(
                f"the target does not say which forge reads {path} (forge.kind), and they read it differently"
            )
        return read_owners(kind, self._git.text(path), path)


def _folder_matches(pattern: str, folder: str) -> bool:
    wanted = "/" + pattern.strip("/")
    if "*" not in wanted:
        return wanted == folder
    # `**` goes through folders, `*` stays in one.
    parts = re.split(r"(\*\*|\*)", wanted)
    made = "".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(made, folder) is not None or re.fullmatch(made, folder.rstrip("/") + "/") is not None


def _dependabot(found: Any, path: str) -> tuple[Watched, ...]:
    updates = found.get("updates") if isinstance(found, dict) else None
    if not isinstance(updates, list) or not all(isinstance(one, dict) for one in updates):
        raise Unobservable(f"{path} has no list of updates")
    watched = []
    for one in updates:
        folders = one.get("directories") or [one.get("directory", "")]
        idle = ""
        if one.get("open-pull-requests-limit") == 0:
            idle = "it may open no pull request (open-pull-requests-limit: 0)"
        elif not (one.get("schedule") or {}).get("interval") and not one.get("multi-ecosystem-group"):
            idle = "it has no schedule"
        elif one.get("target-branch"):
            idle = f"it opens pull requests for the branch {one['target-branch']} only"
        elif any(
            isinstance(rule, dict) and rule.get("dependency-name") == "*" and set(rule) == {"dependency-name"}
            for rule in one.get("ignore") or ()
        ):
            idle = "it ignores every dependency"
        watched.append(Watched(str(one.get("package-ecosystem", "")), tuple(map(str, folders)), idle))
    return tuple(watched)


def _renovate(text: str, path: str) -> tuple[Watched, ...]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unobservable(f"{path} is no JSON that can be read") from error
    if not isinstance(found, dict):
        raise Unobservable(f"{path} is no object")
    for name in ("enabledManagers", "ignorePaths", "includePaths", "packageRules", "ignoreDeps"):
        if found.get(name):
            raise Unobservable(f"{path} limits itself by {name}, which cannot be understood yet")
    return (Watched("*", ("/**",), "it is switched off" if found.get("enabled") is False else ""),)
