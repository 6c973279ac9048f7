"""Whatever kills a run, or keeps it from writing: its folder can be read, what was finished is kept, and nothing looks passed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from killed_runs import CLAIMS, JOURNAL, killed, lines, slow_project
from processes import COMMAND, upheld
from upheld.errors import InputError
from upheld.keeping import NotWritten, RunFolder, recover, standing
from upheld.ledger import Ledger
from upheld.model import Status
from upheld.reporting import run_json


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A project with the reports of a run in which everything is upheld."""
    folder = slow_project(tmp_path_factory.mktemp("whole") / "project")
    done = upheld(folder, "run", "-n", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def project(tmp_path, whole):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """The ledger to which the runs are added."""
    path = tmp_path / "ledger.sqlite"
    monkeypatch.setenv("UPHELD_LEDGER", str(path))
    return path


def recorded(path):
    """What the ledger, which holds whatever was killed, says of the last run: its worst status, and whether it completed."""
    try:
        ledger = Ledger.open(path, make=False)
    except InputError:  # Killed before there was one.
        return None
    assert ledger.verify().holds
    rows = list(ledger.runs())
    return (rows[-1].worst, rows[-1].complete) if rows else None


def judged(folder, before):
    """What a killed run left: never the earlier run as if it were this one's, nor a status that was not earned."""
    out = folder / "reports" / "latest"
    run = run_json.read(out / "run.json")
    page = (out / "report.html").read_text(encoding="utf-8")
    if run.id == before.id:  # It was killed before its first moment.
        assert run == before
        assert not (out / JOURNAL).exists()
        return 0
    assert run_json.read(out / "previous" / "run.json") == before
    kept = standing(out)
    if run.complete:  # It was killed after its last one.
        assert kept == run
        return len(CLAIMS)
    assert "This run did not complete" in page
    assert {claim.status for claim in run.claims} == {Status.INCONCLUSIVE}
    ended = [claim for claim in kept.claims if claim.status is Status.UPHELD]
    assert not kept.complete
    assert len(ended) == max(lines(out / JOURNAL) - 1, 0)
    assert all(claim.checks[0].findings and claim.checks[0].observations for claim in ended)
    rest = [claim for claim in kept.claims if claim not in ended]
    assert all(claim.reason.endswith("the run was interrupted before this check ended") for claim in rest)
    return len(ended)


def test_a_run_that_is_killed_at_any_moment_is_never_passed(project, ledger):
    before = run_json.read(project / "reports" / "latest" / "run.json")
    out = project / "reports" / "latest"
    for ended in (1, 4, 9):
        assert killed(project, ended=ended) == -signal.SIGKILL
        assert ended <= judged(project, before) <= len(CLAIMS)
        assert recorded(ledger) == (Status.INCONCLUSIVE, False)
    # What it had finished is put into the reports by hand, and by nothing else.
    kept = standing(out)
    done = upheld(project, "recover", "reports/latest")
    assert done.returncode == 0, done.stderr
    assert f"{lines(out / JOURNAL) or 'of 12'}" in done.stdout
    assert run_json.read(out / "run.json") == kept
    assert "It was interrupted: " in (out / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="nothing is left"):
        recover(out)
    # The next whole run replaces it, and the last whole one is still there to be compared with.
    done = upheld(project, "run", "-n", "0")
    assert done.returncode == 0, done.stdout
    assert run_json.read(out / "run.json").complete
    assert run_json.read(out / "previous" / "run.json") == before
    assert not (out / JOURNAL).exists()
    with pytest.raises(InputError, match="no run was interrupted"):
        recover(out)


@pytest.mark.exhaustive
def test_runs_that_are_killed_at_a_hundred_random_moments(project, whole, ledger):
    before = run_json.read(project / "reports" / "latest" / "run.json")
    chosen = random.Random(5)
    counts = []
    for number in range(100):
        if number % 10 == 0 and run_json.read(project / "reports" / "latest" / "run.json").id != before.id:
            shutil.rmtree(project / "reports")
            shutil.copytree(whole / "reports", project / "reports")
        killed(project, ended=chosen.choice((0, 0, 1, 6)), seconds=chosen.random() * 2, workers=chosen.choice("02"))
        run = run_json.read(project / "reports" / "latest" / "run.json")
        assert recorded(ledger) in {None, (Status.INCONCLUSIVE, False), (Status.UPHELD, True)}
        if run.complete and run.id != before.id:
            before = run  # It had come to its end.
            continue
        earlier = project / "reports" / "latest" / "previous" / "run.json"
        before = run_json.read(earlier) if earlier.exists() and run.id != before.id else before
        counts.append(judged(project, before))
    assert len(set(counts)) > 3


def test_a_line_of_the_journal_that_was_cut_off_is_no_result(project):
    killed(project, ended=3)
    out = project / "reports" / "latest"
    journal = out / JOURNAL
    data = journal.read_bytes()
    run = standing(out).id
    for torn in (b"", b'{"key":', b"\n\n", b"\xff\xfe", b"null\n", data.splitlines()[3][:-9]):
        journal.write_bytes(b"".join(data.splitlines(keepends=True)[:4]) + torn)
        assert sum(claim.status is Status.UPHELD for claim in standing(out).claims) == 3
    # Nor is the journal of another run.
    journal.write_bytes(data.replace(run.encode(), b"another run"))
    assert {claim.status for claim in standing(out).claims} == {Status.INCONCLUSIVE}


def test_a_wrong_target_leaves_what_stood_as_it_was(project):
    out = project / "reports" / "latest"
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (project / "target.yaml").write_text("upheld: target/1\nname: x\nenvironment: stagign\n", encoding="utf-8")
    done = upheld(project, "run", "-n", "0")
    assert done.returncode == 2
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def limited(folder, largest):
    """Run there with a limit on the size of files, which stands for the disk: what is larger finds no room, as on a full one."""
    limit = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest}, {largest})); os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.run(
        [COMMAND[0], "-c", limit, *COMMAND, "run", "-n", "0"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_no_room_before_the_work_leaves_what_stood_as_it_was(project):
    out = project / "reports" / "latest"
    before = files(out)
    done = limited(project, 3_000)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "upheld failed: the reports cannot be written to reports/latest: File too large" in done.stderr
    assert files(out) == before


def test_no_room_after_the_work_loses_neither_its_results_nor_what_stood(project):
    out = project / "reports" / "latest"
    before = files(out)
    done = limited(project, len(before[Path("run.json")]) - 1)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "upheld failed: the reports cannot be written to reports/latest: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert "12 of 12" in done.stdout
    assert files(out / "previous") == before
    assert {claim.status for claim in standing(out).claims} == {Status.UPHELD}
    assert not list(out.glob(".*"))


def test_a_disk_that_is_really_full(project):
    """A small file system in memory, in a namespace of its own, on which what stood has just room."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mount namespace can be made here")
    out = project / "reports" / "latest"
    room = sum(len(one) for one in files(out).values()) // 1024 + 60
    script = f"""
        set -e
        cp -r reports saved
        mount -t tmpfs -o size={room}k none reports
        cp -r saved/latest reports/
        set +e
        "$@"
        echo "code $?"
        diff -r saved/latest reports/latest && echo "as it was"
    """
    command = ["unshare", "-rm", "bash", "-c", script, "-", *COMMAND, "run", "-n", "0"]
    done = subprocess.run(
        command, cwd=project, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
    )
    assert "code 4" in done.stdout, done.stdout + done.stderr
    assert "as it was" in done.stdout
    assert "the reports cannot be written to reports/latest: No space left on device" in done.stderr


def test_a_folder_that_cannot_be_one_or_be_written_to(project):
    run = run_json.read(project / "reports" / "latest" / "run.json")
    for out in (project / "target.yaml", project / "target.yaml" / "reports", Path("/proc/self/reports")):
        with pytest.raises(NotWritten, match=f"cannot be written to {out}: "):
            RunFolder(out).begin(run)
    done = upheld(project, "run", "-n", "0", "--out", "target.yaml")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "upheld failed: the reports cannot be written to target.yaml: " in done.stderr
    assert "1/12" not in done.stdout
