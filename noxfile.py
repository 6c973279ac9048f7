"""One command per promise, the same here and in CI: `nox -s audit`, `tests`, `lint`, `bench`, `calibrate`, `fuzz`, `mutants`, `package`."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

import nox
from nox.command import CommandFailed

nox.options.sessions = ["lint", "tests"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
DECIDED = 0
APART = {"semgrep>=1.170,<2": ("semgrep", "pysemgrep"), "schemathesis>=4,<5": ("schemathesis",)}
UNDECIDED = 3  # The exit code of an audit in which nothing is refuted and some claims have no check yet.


@nox.session
def audit(session: nox.Session) -> None:
    """Audit the embedded reference deployment; arguments go to `upheld run`."""
    session.install("-e", ".[all]")
    session.run("upheld", "run", *session.posargs, success_codes=[DECIDED, UNDECIDED])


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; arguments go to pytest."""
    session.install("-e", ".[all,dev]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, import rules, docstrings, and generated files that are up to date."""
    session.install("-e", ".[all,dev]")
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")
    # Docstring coverage: every public thing of the engine, the reference and the checks has one.
    session.run("ruff", "check", "--select", "D1", "--ignore", "D105,D107", "src", "checks")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what README and the issues promise about speed; prints ratios of one run."""
    session.install("-e", ".[all,dev]")
    path = f"{_tools_apart(session)}{os.pathsep}{os.environ['PATH']}"
    broken = []
    for script in sorted((ROOT / "bench").glob("bench_*.py")):
        try:
            session.run("python", str(script), *session.posargs, env={"PATH": path})
        except CommandFailed:  # Said at the end, for each of them measures something else.
            broken.append(script.name)
    if broken:
        session.error(f"a promise is broken, or could not be measured, in {', '.join(broken)}")


def _tools_apart(session: nox.Session) -> Path:
    """A folder with the tools that need an environment of their own: semgrep holds packages back, schemathesis hooks into pytest."""
    home = Path(session.create_tmp())
    bin_folder = home / "bin"
    bin_folder.mkdir(exist_ok=True)
    for requirement, programs in APART.items():
        environment = home / programs[0]
        session.run("python", "-m", "venv", str(environment), silent=True)
        session.run(
            str(environment / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            requirement,
            external=True,
            silent=True,
        )
        for program in programs:
            (bin_folder / program).unlink(missing_ok=True)
            (bin_folder / program).symlink_to(environment / "bin" / program)
    return bin_folder


@nox.session
def calibrate(session: nox.Session) -> None:
    """Audit the reference with each sabotage, and write what every check is known to catch to calibration.json."""
    session.install("-e", ".[all,dev]")
    session.run("upheld", "calibrate", "--write", *session.posargs)


@nox.session
def exhaustive(session: nox.Session) -> None:
    """Run the tests of which a plain run takes a few only: every sabotage audited, every target that shows nothing, every mutant."""
    session.install("-e", ".[all,dev]")
    session.run("pytest", "-m", "exhaustive", "-n", "2", *session.posargs)


@nox.session
def steady(session: nox.Session) -> None:
    """Audit the untouched reference five times in random order: every verdict is the same in all, and holds."""
    session.install("-e", ".[all,dev]")
    session.run("python", "tests/steadiness.py", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Load 100,000 damaged policies, targets and fleets (or as many as UPHELD_FUZZ says) on all cores, and say how many a second."""
    session.install("-e", ".[all,dev]")
    inputs = os.environ.get("UPHELD_FUZZ", "100000")
    session.run("pytest", "tests/upheld/test_fuzz.py", "-n", "auto", *session.posargs, env={"UPHELD_FUZZ": inputs})


@nox.session
def mutants(session: nox.Session) -> None:
    """Show that no check's judgement can be inverted or dropped unnoticed; arguments are checks, `--records` a folder to keep."""
    session.install("-e", ".[all,dev]")
    session.run("python", "tests/mutating.py", *session.posargs)


@nox.session
def package(session: nox.Session) -> None:
    """Build wheel and sdist, install the wheel in a clean environment, audit from an empty folder."""
    session.install("build")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(dist), str(ROOT))
    for kind in ("*.tar.gz", "*.whl"):
        built = next(dist.glob(kind))
        with tempfile.TemporaryDirectory() as empty:
            environment = Path(empty) / "environment"
            session.run("python", "-m", "venv", str(environment))
            python = environment / "bin" / "python"
            session.run(str(python), "-m", "pip", "install", "--quiet", f"{built}[all]", external=True)
            work = Path(empty) / "work"
            work.mkdir()
            with session.chdir(work):
                command = str(environment / "bin" / "upheld")
                session.run(
                    command,
                    "run",
                    external=True,
                    success_codes=[DECIDED, UNDECIDED],
                    env={**os.environ, "PYTHONPATH": ""},
                )
                run = json.loads((work / "reports" / "latest" / "run.json").read_text(encoding="utf-8"))
        statuses = {claim["id"]: claim["status"] for claim in run["claims"]}
        if "refuted" in statuses.values() or "inconclusive" in statuses.values() or "upheld" not in statuses.values():
            session.error(f"{built.name}: the audit from an empty folder did not uphold what it decides: {statuses}")
