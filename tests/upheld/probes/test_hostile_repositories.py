"""Repositories that strangers made: nothing of their settings runs or reads, and names and depths of any kind are only data."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from upheld.errors import Unobservable
from upheld.probes import code
from upheld.probes.base import Session, plain
from upheld.probes.code import Code
from upheld.probes.codebase import Codebase
from upheld.probes.git import Git, Person, co_authors
from upheld.probes.repositories import Repositories

LEVELS = 4_000
NAMES = (
    b"new\nline.py",
    b"escape\x1b[31m.py",
    b"--option.py",
    b"-c",
    b"a;touch PWNED;.py",
    b"$(touch PWNED).py",
    b"`touch PWNED`.py",
    b"latin\xe9.py",
    b"<script>alert(1)<.py",
    b"tab\t.py",
    b'"quoted".py',
    b"PWNED*.py",
    b"x" * 250 + b".py",
)
SETTINGS = """
[core]
 fsmonitor = "{program}"
 pager = "{program}"
 editor = "{program}"
 sshCommand = "{program}"
 hooksPath = {hooks}
 askPass = "{program}"
 quotePath = false
 alternateRefsCommand = "{program}"
[alias]
 rev-list = "!{program}"
 ls-tree = "!{program}"
 cat-file = "!{program}"
[filter "evil"]
 clean = {program}
 smudge = {program}
 process = {program}
 required = true
[diff "evil"]
 textconv = {program}
 command = {program}
[diff]
 external = {program}
[log]
 showSignature = true
[gpg]
 program = "{program}"
[credential]
 helper = "!{program}"
[remote "origin"]
 url = ext::sh -c "{program}"
 promisor = true
 partialclonefilter = blob:none
[protocol]
 allow = always
[uploadpack]
 packObjectsHook = {program}
"""
ATTRIBUTES = b"* filter=evil diff=evil merge=evil\n*.bin filter=lfs\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 100000000000\n"


def quoted(name: bytes) -> bytes:
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def make(folder: Path, *lines: bytes, settings: str = "") -> Path:
    """A repository of one commit with these lines of fast-import, and these settings added to its own."""
    subprocess.run(["git", "init", "-q", "--initial-branch=main", str(folder)], check=True)
    who = b"A <a@shop.example.com> 1700000000 +0000"
    commit = b"commit refs/heads/main\nauthor %s\ncommitter %s\ndata 1\nx\n" % (who, who)
    subprocess.run(["git", "-C", str(folder), "fast-import", "--quiet"], input=commit + b"".join(lines), check=True)
    with (folder / ".git" / "config").open("a", encoding="utf-8") as file:
        file.write(settings)
    return folder


def inline(name: bytes, content: bytes) -> bytes:
    return b"M 100644 inline %s\ndata %d\n%s\n" % (quoted(name), len(content), content)


@pytest.fixture
def session(session_of: Callable[..., Session]) -> Session:
    return session_of(repository={"path": "app", "branch": "main"}, stores_searched={"repositories": [{"path": "app"}]})


def test_nothing_of_a_repository_runs_and_no_name_in_it_harms(session: Session, tmp_path: Path) -> None:
    said = tmp_path / "PWNED"
    program = f"touch {said}"
    hooks = tmp_path / "hooks"
    deep = b"/".join([b"d"] * LEVELS) + b"/deep.py"
    folder = make(
        tmp_path / "app",
        *(inline(name, b"import os\nos.system(a)\n") for name in (*NAMES, deep)),
        b"M 120000 inline link.py\ndata 11\n/etc/passwd\n",
        b"M 120000 inline links\ndata 5\n/etc/\n",
        b"M 160000 " + b"1" * 40 + b" sub\n",
        inline(b".gitmodules", f'[submodule "x"]\n\tpath = sub\n\turl = ext::sh -c "{program}"\n'.encode()),
        inline(b".gitattributes", ATTRIBUTES),
        inline(b"big.bin", POINTER),
        inline(b".github/workflows/ci\x1b.yml", b"on: push\njobs: {}\n"),
        settings=SETTINGS.format(program=program, hooks=hooks),
    )
    for place in (hooks, folder / ".git" / "hooks"):
        place.mkdir(exist_ok=True)
        for name in (
            "post-checkout",
            "post-index-change",
            "reference-transaction",
            "fsmonitor-watchman",
            "pre-auto-gc",
        ):
            (place / name).write_text(f"#!/bin/sh\n{program}\n")
            (place / name).chmod(0o755)
    before = {path for path in tmp_path.iterdir() if path.name != "scratch"}
    git, bandit = session.probe(Git), session.probe(Code)
    codebase, searched = session.probe(Codebase), session.probe(Repositories)
    assert isinstance(git, Git)
    assert isinstance(bandit, Code)
    assert isinstance(codebase, Codebase)
    assert isinstance(searched, Repositories)
    with session.recording("t") as recorder:
        assert len(git.commits().commits) == 1
        changed = git.changed_files(git.head())
        assert deep.decode() in changed
        assert {"link.py", "sub", "--option.py"} <= set(changed)
        assert not {"link.py", "links", "sub"} & set(git.paths())
        assert searched.credentials_in(searched.names()[0]).blobs == 7
        found = bandit.bandit()
        assert [one.path for one in found.issues].count("--option.py") == 1
        # Whatever could not be laid out, by its depth here, is no file that was scanned.
        assert deep.decode() in dict(found.unscanned)
        assert codebase.workflows()[0].path == ".github/workflows/ci\x1b.yml"
        assert "gitsubmodule" in {one.ecosystem for one in codebase.manifests()}
    json.dumps(plain(recorder.observations)).encode()
    assert not said.exists()
    assert {path for path in tmp_path.iterdir() if path.name != "scratch"} == before
    assert not list((tmp_path / "scratch").glob("code-*"))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("[include]\n\tpath = /etc/passwd\n", "include other files"),
        ('[a] [ IncludeIf "gitdir:/"]\n\tpath = /dev/zero\n', "include other files"),
        ("[extensions]\n\tpartialClone = origin\n", "form that cannot be read"),
        ("[core]\n\trepositoryformatversion = 99\n", "form that cannot be read|cannot be read"),
        ("[core\n", "cannot be read as a git repository"),
        (f"[x]\n\ty = {'z' * 2_000_000}\n", "larger than"),
    ],
)
def test_settings_that_lead_elsewhere_are_not_read(
    session: Session, tmp_path: Path, settings: str, reason: str
) -> None:
    make(tmp_path / "app", inline(b"a", b"a"), settings=settings)
    git, searched = session.probe(Git), session.probe(Repositories)
    assert isinstance(git, Git)
    assert isinstance(searched, Repositories)
    with pytest.raises(Unobservable, match=reason) as caught:
        git.head()
    assert "root:" not in caught.value.reason
    if "include" in reason or "larger" in reason:
        with pytest.raises(Unobservable, match=reason):
            searched.credentials_in(searched.names()[0])


def test_settings_in_a_pipe_are_not_waited_for(session: Session, tmp_path: Path) -> None:
    folder = make(tmp_path / "app", inline(b"a", b"a"))
    (folder / ".git" / "config").unlink()
    os.mkfifo(folder / ".git" / "config")
    git = session.probe(Git)
    assert isinstance(git, Git)
    with pytest.raises(Unobservable, match="no regular file"):
        git.head()


def test_a_few_objects_that_stand_for_terabytes_are_not_laid_out(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "LARGEST", 1_000_000)
    blob = b"x = 1\n" * 1_000
    make(tmp_path / "app", *(inline(b"f%d.py" % number, blob) for number in range(200)))
    probe = session.probe(Code)
    assert isinstance(probe, Code)
    with pytest.raises(Unobservable, match="the code is larger than"):
        probe.bandit()
    assert not list((tmp_path / "scratch").glob("code-*"))


def test_co_authors_are_found_in_a_message_of_any_kind() -> None:
    said = "x\n\nCo-authored-by: Ben Berg <ben@shop.example.com>  \nco-AUTHORED-by:\tA <b> <c@shop.example.com>\r\n"
    assert co_authors(said) == (Person("Ben Berg", "ben@shop.example.com"), Person("A <b>", "c@shop.example.com"))
    for odd in ("Co-authored-by: nobody", "Co-authored-by: a>b>", "Co-authored-by: ", " Co-authored-by: x <y>"):
        assert co_authors(odd) == ()
    # Spaces by the million, over which an expression would go again and again.
    assert co_authors(f"Co-authored-by:{' ' * 2_000_000}") == ()
