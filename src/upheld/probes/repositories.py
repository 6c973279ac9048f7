"""Git repositories as stores: every version of every file, searched for credentials and keys."""

from __future__ import annotations

import fnmatch
import math
import os
import re
import secrets
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from upheld.errors import TimedOut, Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.git_settings import look_at_settings
from upheld.probes.resting import DESCRIBED, HISTORY, Resting, Rests, every_file
from upheld.probes.sealed import Sealed
from upheld.probes.search import Searcher

if TYPE_CHECKING:
    from upheld.target.credentials import SearchedRepository

BLOB_LIMIT = 8 << 20
"""Bytes of one version of a file that are searched; a larger one that is text is Unobservable."""
GIT_SECONDS = 300
"""Seconds within which git must have given everything."""
HITS_KEPT = 200
"""Hits that are kept of one search."""

_KNOWN = (
    ("private key", re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=\s]{60,}")),
    ("AWS access key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    ("GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})")),
    ("Slack token", re.compile(r"\bxox[abeoprs]-[0-9]{8,}-[A-Za-z0-9-]{10,}")),
    ("Stripe key", re.compile(r"\b[rs]k_live_[A-Za-z0-9]{16,}")),
    ("Google key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("Meta token", re.compile(r"\bEAA[A-Za-z0-9]{60,}")),
    (
        "URL with a password",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"'{}<>$]{1,64}:(?P<value>[^\s/@\"'{}<>$]{8,})@"),
    ),
)
_NAMED = re.compile(
    r"(?i)(?:^|[^A-Za-z0-9])(?P<name>[A-Za-z0-9_.-]*(?:secret|token|passw(?:or)?d|api_?key|private_?key|signing_?key|_key|credential)[A-Za-z0-9_.-]*)"
    r"[\"']?\s*(?::=|=>|=|:)\s*(?P<rest>[^\n]{1,200})"
)
_VALUE = re.compile(r"(?<![A-Za-z0-9+/_=.:-])(?P<value>[A-Za-z0-9+/_=-]{20,})(?![A-Za-z0-9+/_=(.-])")
_PUBLIC = re.compile(
    r"(?i)public|fingerprint|digest|sha\d|hash|algorithm|name|url|path|file|header|pattern|id$|example|placeholder|test|fake|dummy|sample"
)
_NOTHING = re.compile(
    r"(?i)example|changeme|change-me|placeholder|your[-_]|dummy|redacted|x{6,}|0{8,}|1234567|abcdef0?1?2?3?4?5?6?7?8?9?0?abc"
)

# Words joined by signs, with short numbers: `database-password-v2`.
_WORDS = re.compile(r"(?:[a-z]+\d{0,4}|\d{1,4})(?:[-_/.](?:[a-z]+\d{0,4}|\d{1,4}))+")


@dataclass(frozen=True, slots=True)
class Leaked:
    """A credential in a file: what kind, in which path, on which line (from 1), and whether today's files hold it."""

    what: str
    place: str
    line: int
    today: bool


@dataclass(frozen=True, slots=True)
class RepositorySearched:
    """How many versions of files of how many commits were read, and what was found."""

    blobs: int
    commits: int
    bytes: int
    hits: tuple[Leaked, ...]


class Repositories(Probe):
    """The repositories under `stores_searched` in the target."""

    name = "repositories"
    detached = True
    needs = ("stores_searched",)
    rests: ClassVar[Resting] = {
        "names": DESCRIBED,
        "left_out": DESCRIBED,
        "credentials_in": Rests(content=every_file, outside=HISTORY),
        "keys_in": Rests(content=every_file, outside=HISTORY),
    }

    @look
    def names(self) -> tuple[str, ...]:
        """The declared repositories; raises Unobservable when there is none."""
        found = tuple(one.name for one in self._declared)
        if not found:
            raise Unobservable("the target declares no repository to search (stores_searched.repositories)")
        return found

    @look
    def left_out(self, name: str) -> tuple[tuple[str, str], ...]:
        """The patterns of paths that are left out, each with the reason."""
        return tuple(self._repository(name).left_out.items())

    @look
    def credentials_in(self, name: str) -> RepositorySearched:
        """Every credential in every version of every file; raises Unobservable when the search misses its own specimens."""
        _prove()
        repository = self._repository(name)
        hits: list[Leaked] = []
        blobs = size = 0
        seen: set[tuple[str, str, str]] = set()
        for paths, content in self._blobs(repository):
            blobs += 1
            size += len(content)
            # One that stands where it is looked for as well is no less a credential for its copy that is left out.
            searched = [one for one in paths if not any(fnmatch.fnmatch(one, each) for each in repository.left_out)]
            if not searched or b"\0" in content[:8000]:
                continue
            path, today = searched[0], paths[searched[0]]
            for what, line, value in credentials_of(content.decode("utf-8", "replace")):
                if (path, what, value) not in seen and len(hits) < HITS_KEPT:
                    seen.add((path, what, value))
                    hits.append(Leaked(what, path, line, today))
        return RepositorySearched(blobs, self._commits(repository), size, tuple(hits))

    @look
    def keys_in(self, name: str, keys: tuple[str, ...]) -> RepositorySearched:
        """Every version of a file that holds one of the declared encryption keys, given by their identifiers."""
        repository = self._repository(name)
        sealed = cast("Sealed", self.session.probe(Sealed))
        texts = [(key, text) for key in keys for text in sealed.key_texts((key,))]
        searcher = Searcher([text for _, text in texts])
        raws = [(key, bytes.fromhex(text)) for key, text in texts if re.fullmatch(r"[0-9a-f]{32,64}", text)]
        hits: list[Leaked] = []
        blobs = size = 0
        for paths, content in self._blobs(repository):
            blobs += 1
            size += len(content)
            path, today = next(iter(paths.items()))
            found = searcher.stream([content]).found
            hits += [Leaked(texts[one.needle][0], path, one.line, today) for one in found]
            hits += [
                Leaked(key, path, content.count(b"\n", 0, content.find(raw)) + 1, today)
                for key, raw in raws
                if raw in content
            ]
        unique = tuple(dict.fromkeys(hits))[:HITS_KEPT]
        return RepositorySearched(blobs, self._commits(repository), size, unique)

    @property
    def _declared(self) -> tuple[SearchedRepository, ...]:
        return self.target.stores_searched.repositories if self.target.stores_searched else ()

    def _repository(self, name: str) -> SearchedRepository:
        found = next((one for one in self._declared if one.name == name), None)
        if found is None:
            raise Unobservable(f"the target declares no repository called {name}")
        return found

    def _commits(self, repository: SearchedRepository) -> int:
        return int(self._git(repository, "rev-list", "--all", "--count") or b"0")

    def _blobs(self, repository: SearchedRepository) -> Iterator[tuple[dict[str, bool], bytes]]:
        """Each version of each file once: every path that it ever had, with whether it has it today (those first), and its content."""
        if self._git(repository, "rev-parse", "--is-shallow-repository").strip() == b"true":
            raise Unobservable("the repository is a shallow clone, without its history")
        paths = self._paths(repository)
        if not paths:
            raise Unobservable("the repository holds no file in any commit")
        today = set(self._tree(repository, "HEAD"))
        process = subprocess.Popen(
            [*self._command(repository), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(),
        )
        if process.stdin is None or process.stdout is None:
            raise Unobservable("git gives no output")
        try:
            for identity, had in paths.items():
                process.stdin.write(identity.encode() + b"\n")
                process.stdin.flush()
                head = process.stdout.readline().split()
                if len(head) != 3:
                    raise Unobservable("an object of the repository is missing")
                content = process.stdout.read(int(head[2]) + 1)[:-1]
                if head[1] != b"blob":
                    continue
                if len(content) > BLOB_LIMIT and b"\0" not in content[:8000]:
                    raise Unobservable(f"{next(iter(had))} is longer than {BLOB_LIMIT >> 20} MiB")
                known = {path: (identity, path) in today for path in had}
                yield dict(sorted(known.items(), key=lambda one: not one[1])), content
        finally:
            process.stdin.close()
            process.kill()
            process.wait()
            process.stdout.close()

    def _paths(self, repository: SearchedRepository) -> dict[str, dict[str, None]]:
        """Every path that each version of a file ever had, by the version's identifier.

        `rev-list --objects` names one path of each only. A version that a commit has at a path which it has in none of its
        parents shows in that commit's difference to them, also where it is a merge.
        """
        found: dict[str, dict[str, None]] = {}
        commits = self._git(repository, "rev-list", "--all")
        changes = ("diff-tree", "--stdin", "-r", "-c", "--root", "--no-renames", "--raw", "-z", "--no-commit-id")
        for identity, path in _changed(self._git(repository, *changes, given=commits)):
            found.setdefault(identity, {})[path] = None
        kinds = "%(objecttype) %(objectname) %(*objecttype) %(*objectname)"
        for line in self._git(repository, "for-each-ref", f"--format={kinds}").decode().splitlines():
            # A tag may stand for a tree or a file of which no commit knows.
            kind, identity = line.split()[-2:]
            for one, path in self._tree(repository, identity) if kind == "tree" else [(identity, "(a tag)")]:
                if kind != "commit":
                    found.setdefault(one, {})[path] = None
        for line in self._git(repository, "rev-list", "--all", "--objects").decode("utf-8", "replace").splitlines():
            identity, _, path = line.partition(" ")
            if path:
                found.setdefault(identity, {path: None})
        return found

    def _tree(self, repository: SearchedRepository, tree: str) -> Iterator[tuple[str, str]]:
        """The identifier and the path of each file in a tree."""
        for entry in self._git(repository, "ls-tree", "-r", "-z", tree).decode("utf-8", "replace").split("\0"):
            about, _, path = entry.partition("\t")
            if about.split(" ")[1:2] == ["blob"]:
                yield about.split(" ")[2], path

    def _command(self, repository: SearchedRepository) -> list[str]:
        folder = Path(self.session.target_folder, repository.path)
        look_at_settings(folder, repository.path)
        # Whoever owns the folder, nothing of its settings is to be run: only objects are read.
        return [
            "git",
            "-c",
            f"safe.directory={folder}",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.quotePath=true",
            "-C",
            str(folder),
        ]

    def _git(self, repository: SearchedRepository, *arguments: str, given: bytes = b"") -> bytes:
        try:
            done = subprocess.run(
                [*self._command(repository), *arguments],
                input=given,
                capture_output=True,
                timeout=GIT_SECONDS,
                check=False,
                env=_environment(),
            )
        except FileNotFoundError as error:
            raise Unobservable("git is not installed (apt install git)") from error
        except subprocess.TimeoutExpired as error:
            raise TimedOut(f"git did not answer within {GIT_SECONDS} s") from error
        if done.returncode:
            raise Unobservable(
                f"git cannot read the repository: {done.stderr.decode('utf-8', 'replace').strip()[:200]}"
            )
        return done.stdout


def _changed(raw: bytes) -> Iterator[tuple[str, str]]:
    """The identifier and the path of each file that differences of commits made or changed, as `git diff-tree --raw -c -z` gives them."""
    parts = iter(raw.decode("utf-8", "replace").split("\0"))
    for about in parts:
        if not about.startswith(":"):
            continue
        parents = len(about) - len(about.lstrip(":"))
        fields = about.lstrip(":").split(" ")
        path, mode, identity = next(parts, ""), fields[parents], fields[2 * parents + 1]
        if mode not in {"000000", "160000"}:  # Neither one that was taken away, nor another repository.
            yield identity, path


def _environment() -> dict[str, str]:
    """Git's environment: in a partial clone it would fetch what is missing from wherever the clone's settings say."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith("GIT_") and "proxy" not in key.lower()
    }
    off = {
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return {**kept, **off, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}


def credentials_of(text: str) -> Iterator[tuple[str, int, str]]:
    """Each credential in a text: what kind it is, its line (from 1), and the value, which must not leave the probe."""
    for what, pattern in _KNOWN:
        for match in pattern.finditer(text):
            value = match.groupdict().get("value") or match.group()
            if not _NOTHING.search(value) and (what != "URL with a password" or _random(value, 2.5)):
                yield what, text.count("\n", 0, match.start()) + 1, value
    for match in _NAMED.finditer(text):
        name = match["name"]
        for one in _VALUE.finditer(match["rest"]):
            value = one["value"]
            if _PUBLIC.search(name) or _NOTHING.search(value) or not _random(value, 3.0):
                continue
            yield f"value of {name}", text.count("\n", 0, match.start("name")) + 1, value


def _random(value: str, bits: float) -> bool:
    """Whether `value` looks made by chance: digits and letters mixed, and enough different ones."""
    if value.isalpha() and (value.islower() or value.isupper()):
        return False
    if not re.search(r"\d", value) or not re.search(r"[A-Za-z]", value):
        return False
    if _WORDS.fullmatch(value) or (_WORDS.fullmatch(value.lower()) and value.isupper()):
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy >= bits


def _prove() -> None:
    """Search made-up specimens of every kind that counts; raises Unobservable when one is missed."""
    digits = secrets.token_hex(16)
    specimens = (
        f"META_APP_SECRET={digits}",
        f'signing_key = "{secrets.token_hex(32)}"',
        f"DATABASE_URL=postgresql://app:{secrets.token_urlsafe(24)}7Qx@10.0.0.3/x",
        f"-----BEGIN PRIVATE KEY-----\n{secrets.token_hex(64)}\n-----END PRIVATE KEY-----",
        f"token: ghp_{secrets.token_hex(18)}",
    )
    for specimen in specimens:
        if not any(True for _ in credentials_of(specimen)):
            raise Unobservable("the search for credentials misses one of its own specimens")
