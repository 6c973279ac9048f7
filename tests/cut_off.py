"""A fleet of one target on two hosts, that which audits it being cut off on the way: prints what came of it, as JSON.

To be run by `hosts_apart.in_namespace`. Each host has the audited service beside it, which notes when it is asked, so that what a host sends is seen also
while nobody else reaches that host. An audit goes on until its service has said all, which that of the host that is cut off never does.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hosts_apart import HERE, OWN, Host, here, hosts
from loopback import Pki
from upheld.fleet.cluster import Choice, connected
from upheld.fleet.driving import drive
from upheld.fleet.members import load_fleet
from upheld.fleet.state import MemberRun
from upheld.fleet.terms import Terms
from upheld.ledger import Ledger
from upheld.model import Run

LEASE, MARGIN = 3.0, 0.5
PORT, SCHEDULER = 8080, 8786
SERVICE = f"""
import http.server, os, sys, time

class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[1], "a") as stream:
            print(time.monotonic(), file=stream)
        said = b"done" if os.path.exists(sys.argv[2]) else b"more"
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        pass

http.server.ThreadingHTTPServer(("{OWN}", {PORT}), Answering).serve_forever()
"""
CHECKS = f'''
import time
from collections.abc import Iterator

from upheld import OBSERVED, Finding, check
from upheld.probes.http import Http


@check(basis=OBSERVED)
def answers_all_along(http: Http) -> Iterator[Finding]:
    """The service answers until it has said all."""
    while (answer := http.get("http://{OWN}:{PORT}/")).text == "more":
        time.sleep(0.1)
    yield Finding("the service", answer.text == "done", "done", answer.text)
'''
POLICY = """upheld: policy/1
name: answering
claims:
  - {id: up, statement: "Our service answers.", section: S, severity: high, owner: platform, checks: [own.answers_all_along]}
"""
TARGET = f"""upheld: target/1
name: shop
environment: staging
endpoints: [{{name: shop, url: "http://{OWN}:{PORT}"}}]
"""
FLEET = """format: upheld-fleet/1
name: apart
policy: policies.yaml
targets: [{name: shop, file: target.yaml}]
"""
# A scheduler notices sooner than by itself that a host does not answer any more (docs/fleet.md says what that is for).
SOON = {"DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "2s"}


def main(folder: Path) -> dict[str, Any]:
    """Do it, and give what is to be judged."""
    project = folder / "project"
    (project / "checks").mkdir(parents=True)
    for name, text in (
        ("checks/own.py", CHECKS), ("policies.yaml", POLICY), ("target.yaml", TARGET), ("fleet.yaml", FLEET)
    ):  # fmt: skip
        (project / name).write_text(text)
    pki = Pki(folder)
    certificate = pki.issue(HERE)
    files = [f"--tls-ca-file={pki.ca}", f"--tls-cert={certificate}", f"--tls-key={certificate}"]
    scheduler = f"tls://{HERE}:{SCHEDULER}"
    ledger = Ledger.open(folder / "ledger.sqlite")
    with ExitStack() as stack:
        both = stack.enter_context(hosts(folder, "a", "b"))
        dask = [sys.executable, "-m", "dask"]
        command = [*dask, "scheduler", f"--host={HERE}", f"--port={SCHEDULER}", "--no-dashboard", *files]
        here(command, folder / "scheduler", stack, SOON)
        for host in both:
            host.start([sys.executable, "-c", SERVICE, str(asked_file(host)), str(host.folder / "all said")])
            options = ["--nthreads=1", "--no-nanny", "--no-dashboard", f"--host={host.address}", f"--name={host.name}"]
            host.start([*dask, "worker", scheduler, *options, *files], SOON)
        client = stack.enter_context(connected(Choice(None, scheduler, pki.ca, certificate, certificate)))
        until(lambda: len(client.nthreads()) == 2, "both workers are there")
        through: list[dict[str, Any]] = []

        def told(member: MemberRun, run: Run | None, *_: int) -> None:
            through.append({"at": time.monotonic(), "state": member.state, "run": run.id if run else ""})

        cut: dict[str, Any] = {}

        def cutting() -> None:
            until(lambda: any(len(asked(host)) >= 5 for host in both), "the audit is under way")
            host, other = sorted(both, key=lambda host: not asked(host))
            host.cut_off()
            cut.update(at=time.monotonic(), host=host.address, through=len(through))
            (other.folder / "all said").touch()

        scissors = threading.Thread(target=cutting)
        scissors.start()
        terms = Terms(lease=LEASE, margin=MARGIN, time_limit=60)
        made = drive(
            load_fleet(project / "fleet.yaml"), client, folder / "out", ledger, terms=terms, told=told,
            say=lambda words: print(words, file=sys.stderr),
        )  # fmt: skip
        scissors.join()
        first, second = sorted(both, key=lambda host: host.address != cut["host"])
        return {
            "cut": cut,
            "first": asked(first),
            "second": asked(second),
            "second_host": second.address,
            "through": through,
            "account": asdict(made),
            "ledger": [(row.run, row.ended, row.letters) for row in ledger.runs()],
        }


def asked_file(host: Host) -> Path:
    """Where the service of a host notes when it was asked."""
    return host.folder / "asked"


def asked(host: Host) -> list[float]:
    """When the service of a host was asked."""
    file = asked_file(host)
    return [float(line) for line in file.read_text().splitlines()] if file.exists() else []


def until(holds: Callable[[], object], what: str) -> None:
    """Wait for something that must come true."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, f"it never came true: {what}"
        time.sleep(0.02)


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
