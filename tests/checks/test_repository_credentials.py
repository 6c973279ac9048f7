"""Credentials and keys in real git repositories: in today's files, in the history, and what only looks like one."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from upheld import Finding, NotObserved, Unobservable
from upheld.catalogue import Catalogue
from upheld.probes.base import Session
from upheld.probes.repositories import Repositories, credentials_of

from ..loopback import ROOT

CHECKS = Catalogue.load(ROOT / "checks")
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q")
        self.put("README.md", "A platform.\n")

    def git(self, *arguments: str) -> None:
        subprocess.run([*GIT, *arguments], cwd=self.folder, check=True, capture_output=True)

    def put(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", f"Add {name}")

    def drop(self, name: str) -> None:
        (self.folder / name).unlink()
        self.git("add", "-A")
        self.git("commit", "-qm", f"Remove {name}")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "code")


@pytest.fixture
def run(session_of: Callable[..., Session]) -> Callable[..., list[Any]]:
    def go(path: str = "code", **changed: Any) -> list[Any]:
        session = session_of(stores_searched={"repositories": [{"path": path, **changed}]})
        with session.recording("t") as recorder:
            found = list(CHECKS["credentials.repositories_hold_no_credentials"].function(session.probe(Repositories)))
        assert recorder.observations
        return found

    return go


HEX = secrets.token_hex(16)


def test_a_clean_repository_passes(repository: Repository, run: Callable[..., list[Any]]) -> None:
    [found] = run()
    assert found.passed
    assert found.observed == "none in 1 versions of files, 1 commits"


def test_a_credential_of_today_fails(repository: Repository, run: Callable[..., list[Any]]) -> None:
    repository.put(".env.production", f"DEBUG=0\nMETA_APP_SECRET={HEX}\n")
    [found] = run()
    assert found.observed == "value of META_APP_SECRET in .env.production, line 2"


def test_a_credential_that_was_removed_fails(repository: Repository, run: Callable[..., list[Any]]) -> None:
    repository.put(".env", f"DATABASE_URL=postgresql://app:{secrets.token_urlsafe(24)}@10.0.0.3/x\n")
    repository.drop(".env")
    [found] = run()
    assert found.observed == "URL with a password in .env, line 1, in the history only"


def test_a_credential_on_another_branch_fails(repository: Repository, run: Callable[..., list[Any]]) -> None:
    repository.git("checkout", "-qb", "other")
    repository.put("key.pem", f"-----BEGIN PRIVATE KEY-----\n{secrets.token_hex(64)}\n-----END PRIVATE KEY-----\n")
    repository.git("checkout", "-q", "main")
    assert "private key in key.pem" in run()[0].observed


def test_what_is_left_out_is_said(repository: Repository, run: Callable[..., list[Any]]) -> None:
    repository.put("tests/data.env", f"API_KEY={HEX}\n")
    assert not run()[0].passed
    left, found = run(left_out={"tests/*": "made up for tests"})
    assert left.reason == "made up for tests"
    assert found.passed


@pytest.mark.parametrize("order", [("a/data.env", "b/data.env"), ("b/data.env", "a/data.env")], ids=["before", "after"])
@pytest.mark.parametrize("today", [True, False], ids=["today", "before"])
def test_what_is_left_out_hides_no_copy_of_it_elsewhere(
    repository: Repository, run: Callable[..., list[Any]], order: tuple[str, str], *, today: bool
) -> None:
    """Git keeps both as one object, of which a list of objects names one path only."""
    for name in order:
        repository.put(name, f"API_KEY={HEX}\n")
    if not today:
        repository.drop("a/data.env")
    _, found = run(left_out={"b/*": "made up for tests"})
    assert not found.passed
    assert found.observed == f"value of API_KEY in a/data.env, line 1{'' if today else ', in the history only'}"
    *_, found = run(left_out={"a/*": "revoked", "b/*": "made up for tests"})
    assert found.passed


@pytest.mark.parametrize("kind", ["merge", "tree", "file", "both", "sha256"])
def test_a_copy_that_only_a_merge_or_a_tag_shows_is_found(
    repository: Repository, run: Callable[..., list[Any]], kind: str
) -> None:
    if kind == "sha256":
        shutil.rmtree(repository.folder / ".git")
        repository.git("init", "-q", "--object-format=sha256")
    repository.put("tests/data.env", f"API_KEY={HEX}\n")
    if kind == "merge":
        repository.git("checkout", "-qb", "other")
        repository.put("other.txt", "a")
        repository.git("checkout", "-q", "main")
        repository.put("own.txt", "a")
        repository.git("merge", "-q", "--no-commit", "other")
        (repository.folder / "own.txt").write_text(f"API_KEY={HEX}\n")
        repository.git("commit", "-qam", "Merge")
        repository.put("own.txt", "b")
    elif kind in {"tree", "both"}:
        repository.git("tag", "a-tree", "HEAD:tests")
        if kind == "both":
            repository.git("tag", "-a", "-m", "x", "annotated", "HEAD:tests")
    elif kind == "file":
        repository.git("tag", "a-file", "HEAD:tests/data.env")
    else:
        repository.put("own.txt", f"API_KEY={HEX}\n")
    _, found = run(left_out={"tests/*": "made up for tests"})
    assert not found.passed
    where = {"tree": "data.env", "both": "data.env", "file": "(a tag)"}.get(kind, "own.txt")
    assert f"value of API_KEY in {where}, line 1" in found.observed


# Made up anew in every process, so they are numbered: workers must name tests alike.
LOOK_ALIKES = [
    "API_KEY=${API_KEY}",
    "password: changeme",
    'token = os.environ["GRAPH_TOKEN"]',
    "secret = secrets.token_urlsafe(32)",
    "DATABASE_URL=postgresql://app:${DATABASE_PASSWORD}@db/x",
    "DATABASE_URL=postgresql://app:password@localhost/x",
    f"PUBLIC_KEY={secrets.token_hex(32)}",
    f"cryptography==46.0.7 --hash=sha256:{secrets.token_hex(32)}",
    '"integrity": "sha512-' + secrets.token_urlsafe(64) + '"',
    "API_KEY=your-api-key-goes-here-12345",
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "token_lifetime_seconds = 900",
    'password_hash = "see passwords.hash_password(password)"',
    "tokens_by_workspace_identifier_and_account_identifier = {}",
    "secret_name: projects/rivet/secrets/database-password-v2",
]
CREDENTIALS = [
    f"export STRIPE_SECRET_KEY='{secrets.token_hex(20)}'",
    f'  "client_secret": "{secrets.token_urlsafe(32)}a1",',
    f'signing_key = bytes.fromhex("{secrets.token_hex(32)}")',
    f"aws_access_key_id = AKIA{secrets.token_hex(8).upper()}",
    f"password: {secrets.token_hex(12)}",
]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=range(len(LOOK_ALIKES)))
def test_what_only_looks_like_one_is_none(text: str) -> None:
    assert list(credentials_of(text)) == []


@pytest.mark.parametrize("text", CREDENTIALS, ids=range(len(CREDENTIALS)))
def test_what_is_one_is_found(text: str) -> None:
    assert list(credentials_of(text))


def test_no_repository_an_empty_one_and_a_shallow_one_are_not_seen(
    repository: Repository, run: Callable[..., list[Any]], tmp_path: Path, session_of: Callable[..., Session]
) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "empty").mkdir()
    subprocess.run([*GIT, "init", "-q"], cwd=tmp_path / "empty", check=True)
    repository.put("a.txt", "a")
    clone = ["clone", "-q", "--depth", "1", f"file://{repository.folder}", str(tmp_path / "shallow")]
    repository.git(*clone)
    for path, words in (("none", "git cannot read"), ("empty", "no file"), ("shallow", "shallow clone")):
        [found] = run(path)
        assert isinstance(found, NotObserved)
        assert words in found.reason
    session = session_of(stores_searched={})
    with pytest.raises(Unobservable, match="no repository"):
        list(CHECKS["credentials.repositories_hold_no_credentials"].function(session.probe(Repositories)))


def test_a_finding_never_holds_the_value(repository: Repository, run: Callable[..., list[Any]]) -> None:
    repository.put(".env", f"API_KEY={HEX}\n")
    found = run()
    assert isinstance(found[0], Finding)
    assert HEX not in str(found)
