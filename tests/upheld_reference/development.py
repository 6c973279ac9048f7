"""What a reader of a repository's record holds it to: each promise about how the platform is built, as its violations.

Each function returns a set of short words, empty where the promise is kept. Nothing here asks the code under test whether
it keeps a promise; the rules are written out again.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pathspec
import yaml
from detect_secrets import SecretsCollection
from detect_secrets.settings import transient_settings
from packaging.version import Version

from upheld_reference import people
from upheld_reference.codebase.protection import Protection
from upheld_reference.codebase.record import Pull, Record
from upheld_reference.forge import actions
from upheld_reference.forge.commits import paths_changed
from upheld_reference.forge.world import World

ADVISORIES = Path(__file__).parents[2] / "src/upheld_reference/codebase/advisories"
CI = ".github/workflows/ci.yml"
SENSITIVE_WORDS = (
    "token",
    "session",
    "login",
    "lockout",
    "password",
    "member",
    "role",
    "billing",
    "invoice",
    "plan",
    "vault",
    "pki",
)
SCANNER = {
    "requirements.lock": "pip-audit",
    "requirements-ci.lock": "pip-audit",
    "rivet/edge/client/package-lock.json": "npm audit",
}


def text(made: Record, path: str) -> str:
    """A file of the main branch, as it is now."""
    return made.blobs[made.commits[made.main[0]].files[path]].decode("utf-8")


def world(made: Record, held: Protection) -> World:
    return World("https://forge.rivet.example", made, held)


def approvers(made: Record, pull: Pull) -> set[str]:
    """Whoever approved the last revision, and is none of its authors."""
    written = [made.commits[sha] for sha in pull.commits]
    logins = {pull.author, *(commit.author.login for commit in written)}
    names = {commit.author.name for commit in written} | {commit.committer.name for commit in written}
    return {
        review.by
        for review in pull.reviews
        if review.state == "APPROVED"
        and review.commit == pull.head
        and review.by not in logins
        and people.by_login(review.by).name not in names
    }


def peer_review(made: Record, held: Protection) -> set[str]:
    found = set()
    by_commit = {sha: pull for pull in made.pulls if pull.merged_at for sha in (*pull.commits, pull.merged_as)}
    for commit in made.reachable(made.main[0]):
        if commit.sha == made.since.sha:
            continue
        pull = by_commit.get(commit.sha)
        if pull is None:
            found.add("no pull request")
        elif not approvers(made, pull):
            found.add("no approval of the last revision by somebody else")
    strict = (
        held.approvals >= 1,
        held.dismiss_stale_reviews,
        held.require_last_push_approval,
        held.enforce_admins,
        not held.allow_force_pushes,
        not held.allow_deletions,
    )
    return found | (set() if all(strict) else {"protection"})


def scans(made: Record, held: Protection) -> set[str]:
    found = set()
    definition: dict[Any, Any] = yaml.safe_load(text(made, CI))
    if not {"push", "pull_request"} <= set(definition[True]):
        found.add("triggers")
    job = definition["jobs"].get("dependency-scan")
    if job is None:
        found.add("no scan on a build")
    else:
        if job.get("continue-on-error") or any(step.get("continue-on-error") for step in job["steps"]):
            found.add("findings do not fail")
        lines = [step.get("run", "") for step in job["steps"]]
        for lock, tool in SCANNER.items():
            wanted = "--prefix rivet/edge/client" if tool == "npm audit" else f" -r {lock}"
            if not any(line.startswith(tool) and wanted in line for line in lines):
                found.add(f"{lock} is not scanned")
    merged = {commit.sha for commit in made.reachable(made.main[0])}
    for run in made.runs:
        names = {one["name"]: one["conclusion"] for one in actions.jobs(world(made, held), run)}
        if run.workflow == CI and run.commit in merged and names.get("dependency scan") != "success":
            found.add("a build without its scan")
    return found | {f"{name} {version}: {advisory}" for name, version, advisory in vulnerable(made)}


def pins(made: Record) -> list[tuple[str, str, str]]:
    """Ecosystem, name and version of everything that a lock file pins."""
    found = []
    for path in ("requirements.lock", "requirements-ci.lock"):
        for line in text(made, path).splitlines():
            if "==" in line and not line.startswith((" ", "#")):
                name, _, rest = line.partition("==")
                found.append(("PyPI", name.strip(), rest.split()[0]))
    packages = json.loads(text(made, "rivet/edge/client/package-lock.json"))["packages"]
    return found + [("npm", at.rpartition("node_modules/")[2], one["version"]) for at, one in packages.items() if at]


def vulnerable(made: Record) -> set[tuple[str, str, str]]:
    found = set()
    advisories = [json.loads(path.read_text(encoding="utf-8")) for path in ADVISORIES.glob("*.json")]
    assert len(advisories) >= 5
    for ecosystem, name, version in pins(made):
        for advisory in advisories:
            for affected in advisory["affected"]:
                if affected["package"] != {"ecosystem": ecosystem, "name": name}:
                    continue
                events = affected["ranges"][0]["events"]
                if Version(events[0]["introduced"]) <= Version(version) < Version(events[1]["fixed"]):
                    found.add((name, version, advisory["id"]))
    return found


def owners_of(made: Record, path: str) -> set[str]:
    """Those whom the last line of the owners file that matches names."""
    owners: set[str] = set()
    for line in text(made, ".github/CODEOWNERS").splitlines():
        words = line.partition("#")[0].split()
        if words and pathspec.GitIgnoreSpec.from_lines([words[0]]).match_file(path):
            owners = set(words[1:])
    return owners


def sensitive(path: str) -> bool:
    """Whether a file of the platform is about logins, billing or credentials, judged by its name alone."""
    return path.startswith("rivet/") and any(word in path.partition("/")[2].lower() for word in SENSITIVE_WORDS)


def security_reviews(made: Record, held: Protection) -> set[str]:
    found = set()
    team = {person.login for person in people.working() if "security" in person.teams}
    for pull in made.pulls:
        if pull.merged_at is None:
            continue
        paths = paths_changed(world(made, held), pull.base, pull.head)
        if any(map(sensitive, paths)) and not approvers(made, pull) & team:
            found.add("a sensitive change without the security team")
    for path in made.commits[made.main[0]].files:
        # Registers and samples are data about the rules, not the code that applies them.
        if sensitive(path) and path.endswith(".py") and owners_of(made, path) != {"@rivet/security"}:
            found.add("a hole in the owners file")
    return found


def deploys(made: Record, entries: list[dict[str, Any]]) -> set[str]:
    found = set()
    for entry in entries:
        if entry["commit"] not in {commit.sha for commit in made.reachable(made.main[0])}:
            found.add("a deploy from outside main")
            continue
        pull = next((pull for pull in made.pulls if pull.merged_as == entry["commit"]), None)
        if pull is None or not approvers(made, pull):
            found.add("a deploy that nobody reviewed")
    return found


def updates(made: Record) -> set[str]:
    covered = {
        (one["package-ecosystem"], one["directory"])
        for one in yaml.safe_load(text(made, ".github/dependabot.yml"))["updates"]
    }
    present = set()
    for path in made.commits[made.main[0]].files:
        folder, _, name = f"/{path}".rpartition("/")
        if name == "requirements.in":
            present.add(("pip", folder or "/"))
        elif name == "package.json":
            present.add(("npm", folder or "/"))
        elif name == "Dockerfile":
            present.add(("docker", folder or "/"))
        elif path.startswith(".github/workflows/"):
            present.add(("github-actions", "/"))
    return {f"{ecosystem} in {folder}" for ecosystem, folder in present - covered}


def unpack(made: Record, folder: Path) -> Path:
    """The files of the main branch, written out below ``folder``."""
    for path, sha in made.commits[made.main[0]].files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(made.blobs[sha])
    return folder


def static_analysis(folder: Path) -> set[str]:
    """What bandit finds of medium severity and more."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "rivet", "-f", "json"]
    report = json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout)
    assert report["errors"] == []
    assert report["metrics"]["_totals"]["loc"] > 3000  # bandit is also content with a folder that is not there
    return {f"{one['test_id']} in {one['filename']}" for one in report["results"] if one["issue_severity"] != "LOW"}


def secrets_in(made: Record, folder: Path, known: Collection[str] = ()) -> set[str]:
    """The files with credentials, in the repository or anywhere in its history; ``known`` are blobs to leave out."""
    blobs: dict[str, str] = {}
    for commit in made.commits.values():
        blobs.update({sha: path for path, sha in commit.files.items() if sha not in known})
    plugins = (
        "BasicAuthDetector",
        "HexHighEntropyString",
        "PrivateKeyDetector",
        "AWSKeyDetector",
        "GitHubTokenDetector",
        "JwtTokenDetector",
    )
    settings = [{"name": name, **({"limit": 3.0} if "Entropy" in name else {})} for name in plugins]
    found = set()
    with transient_settings({"plugins_used": settings}):
        for sha, path in blobs.items():
            if path.endswith((".lock", "package-lock.json")):
                continue  # they are made of digests
            place = folder / sha / path
            place.parent.mkdir(parents=True)
            place.write_bytes(made.blobs[sha])
            collection = SecretsCollection()
            collection.scan_file(str(place))
            if collection.data:
                found |= {
                    f"{path}: {one.type} {one.line_number}" for secrets in collection.data.values() for one in secrets
                }
    return found
