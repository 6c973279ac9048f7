"""The same checks over what a bundle recorded come to the same bytes, where there is no network; a check that changed is said so."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from evidence_runs import CHECKS, public_half
from processes import COMMAND, upheld
from upheld.catalogue import Catalogue
from upheld.evidence.again import judged_again
from upheld.keeping import standing


@pytest.fixture
def bundled(tmp_path, stood, whole):
    """A project like the one of the run, with the bundle in it."""
    shutil.copytree(stood.folder / "checks", tmp_path / "checks", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(stood.folder / "policies.yaml", tmp_path)
    (tmp_path / "run.upheld").write_bytes(whole)
    return tmp_path


def apart():
    """How a program is started where no network is, not even loopback."""
    if (
        shutil.which("unshare")
        and subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0
    ):
        return ["unshare", "-rn"]
    pytest.skip("no network namespace can be made here")


def test_without_a_network_it_comes_to_the_same_bytes(bundled, key_files):
    issuer = str(public_half(key_files["ed25519"]))
    command = [*apart(), *COMMAND, "replay", "run.upheld", "--issuer", issuer]
    done = subprocess.run(command, cwd=bundled, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 checks judged again over 10 recorded observations" in done.stdout
    assert "the same verdicts, and the same bytes" in done.stdout
    command = [*apart(), *COMMAND, "verify", "run.upheld", "--issuer", issuer]
    assert subprocess.run(command, cwd=bundled, capture_output=True, timeout=120, check=False).returncode == 0


def judged(stood, folder, before, after):
    """The run judged again by checks of which a part is replaced."""
    (folder / "checks").mkdir()
    (folder / "checks" / "own.py").write_text(CHECKS.replace(before, after), encoding="utf-8")
    return judged_again(standing(stood.run), Catalogue.load(folder / "checks"))


def test_code_that_did_not_change_comes_to_the_same(tmp_path, stood):
    found = judged(stood, tmp_path, "", "")
    assert (found.changed, found.differing, found.same_bytes) == ((), (), True)


@pytest.mark.parametrize(
    ("before", "after", "differing"),
    [
        ('"good <b>&"', '"good <b>&" + ""', []),
        ("passed=False", "passed=True", [("bad own.is_broken", "fail", "pass"), ("claim bad", "refuted", "upheld")]),
        ("it is bad", "it is worse", [("bad own.is_broken", "fail, with other findings", "fail")]),
        (
            "moment = clock.now()",
            "moment = (clock.now(), clock.now())[1]",
            [
                ("good own.holds", "pass", "inconclusive"),
                ("bad own.holds", "pass", "inconclusive"),
                ("claim good", "upheld", "inconclusive"),
            ],
        ),
    ],
)
def test_a_check_that_is_another_one_is_said_so(tmp_path, stood, before, after, differing):
    found = judged(stood, tmp_path, before, after)
    assert {one.check for one in found.changed} == {"own.holds", "own.is_broken", "own.is_dark", "own.is_sworn"}
    assert [(one.what, one.recorded, one.now) for one in found.differing] == differing
    assert not found.same_bytes


def test_a_check_that_is_not_here_is_said_so(tmp_path, stood):
    found = judged(stood, tmp_path, "def is_dark", "def is_darker")
    assert [one.check for one in found.changed if not one.here] == ["own.is_dark"]
    assert not found.differing


def test_what_does_not_hold_is_not_judged(bundled, key_files):
    done = upheld(bundled, "replay", "run.upheld", "--issuer", str(public_half(key_files["p256"])))
    assert done.returncode == 1
    assert "nothing was judged again" in done.stdout


def test_a_check_that_changed_and_a_file_that_is_no_bundle(bundled):
    file = bundled / "checks" / "own.py"
    file.write_text(CHECKS + "# a remark", encoding="utf-8")
    done = upheld(bundled, "replay", "run.upheld")
    assert done.returncode == 3, done.stdout + done.stderr
    for words in ("whose it is was not looked at", "the code of own.is_broken changed", "the same verdicts"):
        assert words in done.stdout
    (bundled / "run.upheld").write_bytes(b"nonsense")
    done = upheld(bundled, "replay", "run.upheld")
    assert (done.returncode, "no bundle" in done.stderr) == (1, True)
