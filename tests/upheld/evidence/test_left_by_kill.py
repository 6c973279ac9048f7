"""What is exported, bundled, shared and verified of a run that kill -9 ended: it shows as interrupted, and nothing of it as passed."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from evidence_runs import public_half
from killed_runs import CLAIMS, killed, slow_project
from processes import COMMAND
from upheld.cli.main import cli
from upheld.exporting import FORMATS
from upheld.exporting.rows import CAME_TO_ITS_END
from upheld.keeping import standing
from upheld.model import Status

from ..exporting.readers import READERS

ENDED = 4


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder of a run that was killed once some of its checks had ended, all of which passed."""
    folder = slow_project(tmp_path_factory.mktemp("killed") / "project")
    assert killed(folder, ended=ENDED) == -signal.SIGKILL
    return folder / "reports" / "latest"


def said(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("name", FORMATS)
def test_no_export_passes_it(left, tmp_path, name):
    """Read by readers that know nothing of the exporter: what had ended is there, what had not is not passed, and that it broke off is said."""
    out = tmp_path / "export"
    said("export", str(left), "--format", name, "--out", str(out))
    reader = READERS[name]
    read = {row: verdict == reader.order[0] for row, verdict in reader.sees(out.read_bytes()).items()}
    kept = standing(left)
    upheld = {claim.id for claim in kept.claims if claim.status is Status.UPHELD}
    assert ENDED <= len(upheld) < len(CLAIMS)
    good = {row for row, is_good in read.items() if is_good}
    assert good & CLAIMS.keys() == upheld
    assert read[CAME_TO_ITS_END] is False
    assert reader.whole is None or reader.whole(out.read_bytes()) != reader.whole_good


def test_its_bundle_holds_and_says_that_it_broke_off(left, tmp_path, key_files):
    out = tmp_path / "run.upheld"
    said("bundle", str(left), "--key", str(key_files["ed25519"]), "--out", str(out))
    words = said("verify", str(out), "--issuer", str(public_half(key_files["ed25519"])))
    assert "FAILS" not in words
    assert "the run did not complete: what it did not reach is inconclusive" in words
    assert f"{len(CLAIMS)} claims: " in words


def test_its_share_says_so_first(left, tmp_path, key_files):
    pytest.importorskip("typst", reason="typst is not installed")
    pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed")
    words = said("share", str(left), "--audience", "Acme", "--key", str(key_files["ed25519"]), "--out", str(tmp_path))
    assert "it says to Acme: Incomplete run: " in words
    page = (tmp_path / "share.html").read_text(encoding="utf-8")
    paper = " ".join(
        page.extract_text() for page in pypdf.PdfReader(io.BytesIO((tmp_path / "share.pdf").read_bytes())).pages
    )
    for text in (page, " ".join(paper.split())):
        assert "Incomplete run: " in text
        assert "The audit did not complete. What it did not reach is inconclusive." in text
    verified = said("verify-share", str(tmp_path / "share.html"), "--issuer", str(public_half(key_files["ed25519"])))
    assert "Incomplete run: " in verified


# --- no room, and folders that cannot be written ------------------------------------------------------------------------


def commands(run: Path, key: Path, out: Path) -> dict[str, list[str]]:
    return {
        "export": ["export", str(run), "--format", "sarif", "--out", str(out)],
        "bundle": ["bundle", str(run), "--key", str(key), "--out", str(out)],
        "share": ["share", str(run), "--audience", "Acme", "--out", str(out.with_suffix(".html"))],
    }


@pytest.mark.parametrize("name", ["export", "bundle", "share"])
def test_what_cannot_be_written_is_said_and_what_stood_there_stays(stood, key_files, tmp_path, name):
    """In a folder that nobody can write, and where there is no room (a limit on the size of files stands for a full disk)."""
    key = key_files["ed25519"]
    command = commands(stood.run, key, Path("/proc/self/out"))[name]
    done = subprocess.run([*COMMAND, *command], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "upheld failed: " in done.stderr
    assert "Traceback" not in done.stderr
    out = tmp_path / ("out.html" if name == "share" else "out")
    out.write_bytes(b"what stood here")
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500)); os.execv(sys.argv[1], sys.argv[1:])"
    done = subprocess.run(
        [COMMAND[0], "-c", limit, *COMMAND, *commands(stood.run, key, tmp_path / "out")[name]],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "File too large" in done.stderr
    assert out.read_bytes() == b"what stood here"
    assert [one.name for one in tmp_path.iterdir()] == [out.name]


# --- how much of the policy a run audited -------------------------------------------------------------------------------


def test_a_run_over_selected_claims_says_of_how_many(stood, key_files, tmp_path, monkeypatch):
    monkeypatch.chdir(stood.folder)
    said("run", "-n", "0", "--claims", "good,bare", "--out", str(tmp_path / "run"), "--no-color", code=3)
    run = standing(tmp_path / "run")
    assert (len(run.claims), run.policy_claims) == (2, 5)
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert (
        "Only 2 of the policy’s 5 claims were audited: good, bare." in page
        or "Only 2 of the policy&#39;s 5 claims" in page
    )
    key, issuer = str(key_files["ed25519"]), str(public_half(key_files["ed25519"]))
    said("bundle", str(tmp_path / "run"), "--key", key, "--out", str(tmp_path / "b"))
    assert "only a selection of the policy's claims, 2 of 5, was audited" in said(
        "verify", str(tmp_path / "b"), "--issuer", issuer
    )
    words = said("share", str(tmp_path / "run"), "--audience", "A", "--key", key, "--out", str(tmp_path / "s.html"))
    assert "Selected claims only (2 of the policy's 5)" in words
    words = said("verify-share", str(tmp_path / "s.html"), "--issuer", issuer, "--bundle", str(tmp_path / "b"))
    assert "audited only 2 of the 5 claims of its policy" in words


def test_a_run_that_was_kept_before_this_was_said_is_read_bundled_and_verified(stood, key_files, tmp_path):
    folder = tmp_path / "old"
    subprocess.run(["cp", "-r", str(stood.run), str(folder)], check=True)
    document = json.loads((folder / "run.json").read_bytes())
    del document["policy_claims"]
    for claim in document["claims"]:
        del claim["accept_attested"]
    (folder / "run.json").write_text(json.dumps(document), encoding="utf-8")
    assert standing(folder).policy_claims is None
    key, issuer = str(key_files["ed25519"]), str(public_half(key_files["ed25519"]))
    said("bundle", str(folder), "--key", key, "--out", str(tmp_path / "b"))
    assert "policy's claims" not in said("verify", str(tmp_path / "b"), "--issuer", issuer)
