"""The whole audit of the reference, against running the tools that it stands on by hand, one after the other, on the same inputs.

Promise: at most 0.7 of their time. Ours is `upheld run -n 2` of all claims, the start of the deployment included. Theirs is the
sum of these, as a person would type them, against a deployment that already runs and with a clone that is already there:

- `sslyze` on the four public TLS endpoints, in one command, which it scans side by side;
- `bandit -r` on the code at the branch's head;
- `semgrep scan` on the same with upheld's own rules, asking nobody outside;
- `pip-audit` on each lock file of Python that the repository has, without a pip of its own (which would be slower), asking a
  service on the loopback address over the reference's mirror of advisories;
- `schemathesis run` on the API's document with an owner's token, as it comes: up to 100 examples for an operation. What the
  reference's rate limit refuses counts as answered. As upheld's own check sends an operation 16 requests at most, it is also run
  with 16 examples, and that ratio is printed beside the other; the promise is of the tools as a person would run them.

semgrep and schemathesis are not installed with upheld: semgrep holds other packages back, and schemathesis would be loaded into
every run of pytest. They are taken from PATH, where `nox -s bench` puts one of each. A tool that cannot be had is said, and does
not count; without semgrep the audit cannot decide its claims either.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from upheld import rules
from upheld.errors import Unobservable
from upheld.probes.osv import mirror_query, read_mirror, relay
from upheld.probes.tools import find_tool
from upheld_reference import deployment

PROMISED = 0.7
ROOT = Path(__file__).parents[1]
EXAMPLES = (100, 16)
"""For an operation: what schemathesis makes by default, and what `inputs.invalid_input_is_refused` sends at the most."""


@dataclass(frozen=True)
class Command:
    """One command by hand. `shows` is found in what it says once it has done its work; exit codes up to 1 are results."""

    tool: str
    arguments: tuple[str, ...]
    shows: str


# --- by hand -------------------------------------------------------------------------------------------------------


@contextmanager
def by_hand(facts: Mapping[str, Any], folder: Path) -> Iterator[list[Command]]:
    """The commands, with all that they are run on made ready; schemathesis once for each of EXAMPLES, at the end."""
    listeners, code = facts["listeners"], facts["codebase"]
    secure = [one for one in listeners.values() if one["public"] and one["url"].startswith("https:")]
    places = [f"{one['url'].removeprefix('https://')}{{{one['address']}}}" for one in secure]
    clone = folder / "clone"
    subprocess.run(["git", "clone", "-q", "--branch", code["branch"], code["repository"], str(clone)], check=True)
    package = str(clone / code["package"])
    # Else it also waits for its maker's servers, where they cannot be reached.
    quiet = ("--metrics", "off", "--disable-version-check")
    with relay(mirror_query(read_mirror(Path(code["advisories"]["path"])))) as (service, faults):
        commands = [
            Command("sslyze", tuple(places), r"SCANS COMPLETED IN"),
            Command("bandit", ("-r", package), r"Total lines of code: [1-9]\d*"),
            Command("semgrep", ("scan", *quiet, "--config", str(rules.FOLDER), package), r"Rules run: [1-9]\d*"),
        ]
        for lock in code["lock_files"]:
            if lock.endswith(".lock"):
                asked = ("--disable-pip", "--no-deps", "-s", "osv", "--osv-url", service, "-r", str(clone / lock))
                commands.append(Command("pip-audit", asked, r"No known vulnerabilities found|Found [1-9]"))
        commands += [schemathesis(facts, folder, examples) for examples in EXAMPLES]
        yield commands
        if faults:
            sys.exit(f"tools: the advisories could not be served: {faults[0]}")


def schemathesis(facts: Mapping[str, Any], folder: Path, examples: int) -> Command:
    """The command for the API; its document and an owner's token are had by the API itself."""
    api = facts["listeners"]["api"]
    url = httpx.URL(api["url"])
    base = f"https://{api['address']}:{url.port}"
    owner = next(one for one in facts["identities"] if one["role"] == "owner")
    headers = {"Host": f"{url.host}:{url.port}"}
    by_name = {"sni_hostname": url.host}  # The names resolve nowhere.
    trust = ssl.create_default_context(cafile=facts["ca_file"])
    with httpx.Client(verify=trust, trust_env=False, headers=headers) as client:
        login = {"email": owner["email"], "password": owner["password"]}
        token = client.post(f"{base}/v1/tokens", json=login, extensions=by_name).raise_for_status().json()
        headers["Authorization"] = f"Bearer {token['access_token']}"
        document = client.get(f"{base}/openapi.json", headers=headers, extensions=by_name).raise_for_status()
    file = folder / "openapi.json"
    file.write_bytes(document.content)
    sent = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    # It knows no other name to verify than the address that it connects to.
    arguments = ("run", str(file), "--url", base, "--tls-verify", "false", "--max-examples", str(examples), *sent)
    return Command("schemathesis", arguments, r"[1-9]\d* generated")


def timed(command: Command, folder: Path) -> float | None:
    """Seconds that the command took; None, with a word, when the tool is not there. Exits when it did not do its work."""
    try:
        program = find_tool(command.tool, f"install {command.tool}")
    except Unobservable as unobservable:
        print(f"tools: NOT COUNTED: {unobservable.reason}")
        return None
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment.pop("PYTHONPATH", None)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = time.perf_counter()
    done = subprocess.run(
        [program, *command.arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    seconds = time.perf_counter() - before
    said = done.stdout + done.stderr
    shown = re.search(command.shows, said)
    if done.returncode not in {0, 1} or shown is None:
        sys.exit(f"tools: {command.tool} ended with {done.returncode} and did not do its work:\n{said[-3000:]}")
    print(f"tools: {command.tool} {seconds:.1f} s ({shown[0]})", flush=True)
    return seconds


# --- ours ----------------------------------------------------------------------------------------------------------


def audited(folder: Path) -> float:
    """Seconds of the whole audit; says what it came to, because what is not decided also takes no time."""
    out = folder / "run"
    command = [sys.executable, "-c", "from upheld.cli.main import main; main()", "run", "-n", "2"]
    command += ["--policy", str(ROOT / "policies.yaml"), "--target", "reference", "--out", str(out)]
    # As an installed Python has it, for ours as for the tools: what was compiled once is kept.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = time.perf_counter()
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    seconds = time.perf_counter() - before
    if done.returncode not in {0, 3}:
        sys.exit(f"tools: the audit ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    statuses = Counter(claim["status"] for claim in run["claims"])
    words = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    open_claims = [one["id"] for one in run["claims"] if one["status"] not in {"upheld", "attested"}]
    print(f"tools: upheld run {seconds:.1f} s ({'; '.join([words, *open_claims])})", flush=True)
    return seconds


def main() -> None:
    """Measure both and print the ratio; exit 1 when the promise is broken."""
    if shutil.which("git") is None:
        print("tools: NOT COMPARED: git is not installed, which clones what the tools are run on")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = audited(folder)
        with deployment.start() as running, by_hand(running.facts, folder) as commands:
            theirs = [(command.tool, timed(command, folder)) for command in commands]
    others = sum(seconds or 0.0 for tool, seconds in theirs if tool != "schemathesis")
    inputs = [seconds for tool, seconds in theirs if tool == "schemathesis"]
    ratios = []
    for examples, seconds in zip(EXAMPLES, inputs, strict=True):
        total = others + (seconds or 0.0)
        ratios.append(ours / total)
        print(
            f"tools: upheld {ours:.1f} s, by hand {total:.1f} s with {examples} examples for an operation: ratio {ratios[-1]:.2f}"
            f" (promised: at most {PROMISED}, with {EXAMPLES[0]})"
        )
    sys.exit(1 if ratios[0] > PROMISED else 0)


if __name__ == "__main__":
    main()
