"""Two thousand secrets through real runs: not one of them shows in anything that upheld writes or says."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import random
import re
import signal
import string
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from evidence_runs import Keys, public_half
from killed_runs import JOURNAL, killed
from leaks import Finder, contents, spellings
from leaky_target import PLACES, project, served
from planted_secrets import MAKERS, ODD, SOURCES, planted
from processes import upheld
from upheld.cli.main import cli
from upheld.exporting import FORMATS
from upheld.model import Status
from upheld.reporting import run_json

OF_EACH = 40
KNOWN = 48


def known_secrets():
    """Passwords of members: odd ones, plain ones, and numbers."""
    rng = random.Random(17)
    alphabets = (ODD + "/\\\"'<>&", string.ascii_letters + string.digits, ODD + "äßπ€", string.digits)
    return {
        f"LEAKY_{number}": "".join(rng.choices(alphabets[number % len(alphabets)], k=14 + number % 7))
        for number in range(KNOWN)
    }


@dataclass
class Ran:
    """What the runs left: the project, and what else there is to search."""

    folder: Path
    known: dict[str, str]
    where: dict[str, list]
    said: dict[str, bytes]
    keys: Keys

    def outputs(self) -> dict[str, bytes]:
        """All that is no part of the target itself."""
        return {**contents(self.folder / "out", self.folder / "apart", self.folder / "reports"), **self.said}

    def command(self, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """What a command of upheld says; it is an output too."""
        done = CliRunner().invoke(cli, arguments)
        self.said[" ".join(arguments[:2])] = done.output.encode()
        assert done.exit_code in codes, done.output
        return done.output


@pytest.fixture(scope="module")
def secrets():
    return list(planted(5, OF_EACH))


@pytest.fixture(scope="module")
def finder(secrets):
    named = {f"{number} {one.kind}": one.fragments for number, one in enumerate(secrets)}
    return Finder({**named, **{name: (value, value[-12:]) for name, value in known_secrets().items()}})


@pytest.fixture(scope="module")
def ran(tmp_path_factory, secrets):
    folder = tmp_path_factory.mktemp("leaky") / "project"
    apart, known = folder / "apart", known_secrets()
    with served() as server, pytest.MonkeyPatch.context() as patch:
        server.where = project(folder, secrets, known, server.server_address[1])
        (apart / "tmp").mkdir(parents=True)
        patch.chdir(folder)
        keys = Keys(folder)
        for name, value in {**known, "UPHELD_STATE": str(apart / "state"), "TMPDIR": str(apart / "tmp")}.items():
            patch.setenv(name, value)
        patch.setenv("UPHELD_LEDGER", str(apart / "ledger.sqlite"))
        found = Ran(folder, known, server.where, {}, keys)
        exports = [part for name in FORMATS for part in ("--export", f"{name}=out/export.{name}")]
        with pytest.MonkeyPatch.context() as dying:
            dying.setenv("LEAKY_DIES", "1")
            done = upheld(folder, "run", "-n", "1", "--out", "out/run", *exports, seconds=400)
            assert done.returncode == 1, done.stdout + done.stderr
            found.said["run"] = (done.stdout + done.stderr).encode()
        plugins = ["-p", "xdist.plugin", "-p", "upheld.plugin"]
        options = ["-rA", "--showlocals", "--tb=long", "--log-level=DEBUG", "--log-cli-level=DEBUG"]
        files = ["--junitxml=out/pytest.xml", "--log-file=out/pytest.log", "--upheld-out=out/pytest"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "policies.yaml", "--target", "target.yaml", *plugins, *options, *files],
            cwd=folder,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            timeout=400,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 1, done.stdout[-3000:] + done.stderr
        found.said["pytest"] = done.stdout + done.stderr
        patch.setenv("LEAKY_HANGS", "1")
        assert killed(folder, ended=7) == -signal.SIGKILL
        patch.delenv("LEAKY_HANGS")
        found.said["the journal of the killed run"] = (folder / "reports" / "latest" / JOURNAL).read_bytes()
        signed = ("--key", str(keys.ed25519), "--out")
        for name, run in (("whole", "out/run"), ("killed", "reports/latest")):
            found.command("bundle", run, *signed, f"out/{name}.upheld")
            found.command("share", run, "--audience", "Acme", *signed, f"out/{name}.html")
        found.command("share", "out/run", "--audience", "Acme", *signed, "out/whole.pdf")
        found.command("export", "reports/latest", "--format", "junit", "--out", "out/killed.xml")
        found.command("verify", "out/killed.upheld", "--issuer", str(public_half(keys.ed25519)))
        found.command("replay", "out/killed.upheld", codes=(0, 1))
        found.command("recover", "reports/latest")
        found.command("doctor", "policies.yaml", "--target", "target.yaml", codes=(0, 5))
        yield found


def test_the_secrets_are_of_fifty_kinds_in_fourteen_places(secrets, ran):
    assert SOURCES.keys() == MAKERS.keys()
    assert len(MAKERS) >= 40
    assert len({one.value for one in secrets}) == len(secrets) >= 2_000
    assert all(len(ran.where[place]) >= 50 for place in PLACES)
    assert sum(map(len, ran.where.values())) == len(secrets)


def test_none_shows_in_any_output(finder, ran):
    outputs = ran.outputs()
    for needed in (
        "run.json",
        "report.html",
        "whole.pdf",
        "whole.html",
        "whole.upheld",
        "the journal",
        "ledger.sqlite",
        ".sarif",
        ".xml",
        ".log",
    ):
        assert any(needed in name for name in outputs), needed
    leaks = {name: sorted(found)[:10] for name, data in outputs.items() if (found := finder.found(data))}
    assert not leaks


def test_they_were_really_seen(finder, secrets, ran):
    """Every one of them stands at the target, the runs looked at it, and a placeholder stands for it in what they wrote."""
    assert len(finder.found(b"\n".join(contents(ran.folder / "planted").values()))) > 0.6 * len(secrets)
    said = (ran.folder / "out" / "pytest" / "run.json").read_bytes() + ran.said["pytest"]
    marks = set(re.findall(rb"\[redacted:[a-z-]+:[0-9a-f]{6}\]", said))
    assert len(marks) >= 1_950  # Some lie so near to each other that one stands for both.
    run = run_json.read(ran.folder / "out" / "run" / "run.json")
    assert sum(len(check.findings) for claim in run.claims for check in claim.checks) > 1_500
    assert {claim.id: claim.status for claim in run.claims}["claim-7"] is Status.INCONCLUSIVE  # Its worker died.
    known = set(re.findall(rb"\[redacted:member-[0-9]+\.password\]", said))
    assert len(known) == KNOWN


def test_a_secret_would_be_found_in_whatever_it_is_packed(finder, secrets):
    """The search itself: each secret, in each spelling and package."""
    chosen = random.Random(3)
    packages = (
        lambda data: data,
        lambda data: json.dumps({"held": base64.b64encode(b"x" * 61 + data).decode()}).encode(),
        gzip.compress,
        zipped,
    )
    for number, one in enumerate(secrets):
        spelled = chosen.choice(list(spellings(one.fragments[0]))).encode()
        assert f"{number} {one.kind}" in finder.found(chosen.choice(packages)(b"before " + spelled + b" after"))


def zipped(data):
    """The data in a ZIP file."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("inner", data)
    return stream.getvalue()


def test_json_stays_json(ran):
    """What a target answered as JSON can be read as JSON once its secrets are out."""
    run = json.loads((ran.folder / "out" / "run" / "run.json").read_bytes())
    (check,) = run["claims"][0]["checks"]
    (answer,) = [
        one["value"] for one in check["observations"] if one["look"] == "get" and one["value"]["url"].endswith("/json")
    ]
    items = json.loads(answer["text"])
    assert [one["n"] for one in items] == list(range(len(ran.where["json"])))
    assert all("[redacted:" in one["note"] and isinstance(json.loads(one["nested"]), list) for one in items)
