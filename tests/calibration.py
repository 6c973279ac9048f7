"""Audits of the embedded reference with each sabotage, and the table of what every check catches.

python tests/calibration.py --write [NAME …]   audits with every sabotage (or these) and writes calibration.json
python tests/calibration.py NAME …       audits with these and prints what they turned
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from upheld.calibration import FILE, FORMAT
from upheld.catalogue import Catalogue
from upheld_reference.sabotages import Sabotage, catalogue

ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-c", "from upheld.cli.main import main; main()"]


def audit(*arguments: str) -> tuple[int, dict[str, Any], str]:
    """One `upheld run` of this repository's policy: exit code, run.json and what it printed."""
    with tempfile.TemporaryDirectory(prefix="upheld-audit-") as out:
        command = [*COMMAND, "run", "--policy", str(ROOT / "policies.yaml"), "--out", out, *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=300, check=False, stdin=subprocess.DEVNULL
        )
        path = Path(out) / "run.json"
        if not path.exists():
            raise RuntimeError(f"exit code {done.returncode}, no run.json:\n{done.stdout}{done.stderr}")
        return done.returncode, json.loads(path.read_text(encoding="utf-8")), done.stdout + done.stderr


def statuses(run: dict[str, Any]) -> dict[str, str]:
    """The status of each claim."""
    return {claim["id"]: claim["status"] for claim in run["claims"]}


def caught(run: dict[str, Any]) -> list[str]:
    """The checks that found a defect."""
    return sorted({check["id"] for claim in run["claims"] for check in claim["checks"] if check["verdict"] == "fail"})


def defects(run: dict[str, Any]) -> list[str]:
    """What the failing findings say: `subject: observed`."""
    return [
        f"{finding['subject']}: {finding['observed']}"
        for claim in run["claims"]
        for check in claim["checks"]
        for finding in check["findings"]
        if finding["verdict"] == "fail"
    ]


def expected(sabotage: Sabotage) -> set[str]:
    """The claims that a sabotage says it turns."""
    return {*sabotage.breaks, *sabotage.also}


def table(catches: dict[str, list[str]]) -> str:
    """calibration.json for these catches (checks by sabotage), with the digests of the code that stands.

    What the table says of sabotages that were not audited now stays, for checks whose code is still the same.
    """
    path = ROOT / FILE
    before = json.loads(path.read_text(encoding="utf-8"))["checks"] if path.exists() else {}
    checks = {}
    for one in Catalogue.load(ROOT / "checks"):
        entry = before.get(one.id, {})
        kept = entry["caught"] if entry.get("code_digest") == one.code_digest else []
        names = {name for name in kept if name not in catches} | {n for n, found in catches.items() if one.id in found}
        checks[one.id] = {"code_digest": one.code_digest, "caught": sorted(names)}
    return json.dumps({"format": FORMAT, "checks": checks}, indent=1) + "\n"


def main() -> int:
    """Audit, print, and write the table when asked; 1 when a sabotage was missed or turned another claim."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--side-by-side", type=int, default=2)
    given = parser.parse_args()
    chosen = {name: one for name, one in catalogue().items() if not given.names or name in given.names}
    _, untouched, words = audit("-n", "2")
    wrong = [claim for claim, status in statuses(untouched).items() if status in {"refuted", "inconclusive"}]
    if wrong:
        print(words)
    catches: dict[str, list[str]] = {}
    failures = [f"untouched: {claim}" for claim in wrong]

    def one(name: str) -> tuple[str, int, dict[str, Any], str]:
        return (name, *audit("-n", "0", "--sabotage", name))

    with ThreadPoolExecutor(given.side_by_side) as pool:
        for name, code, run, _ in pool.map(one, chosen):
            turned = {claim for claim, status in statuses(run).items() if status != statuses(untouched)[claim]}
            refuted = {claim for claim, status in statuses(run).items() if status == "refuted"}
            catches[name] = caught(run)
            blind = {claim for claim, status in statuses(run).items() if status == "inconclusive"}
            right = (
                refuted == turned - blind == expected(chosen[name]) and blind == {*chosen[name].blinds} and code == 1
            )
            print(
                f"{'caught' if right else 'WRONG '} {name}: refuted {sorted(refuted)} by {catches[name]} in {run['seconds']} s",
                flush=True,
            )
            for defect in defects(run)[:3]:
                print(f"         {defect}", flush=True)
            if not right:
                failures.append(name)
                for claim in run["claims"]:
                    if claim["id"] in turned:
                        print(f"         {claim['id']} is {claim['status']}: {claim['reason']}", flush=True)
    if given.write:
        (ROOT / FILE).write_text(table(catches), encoding="utf-8")
    print(
        f"{len(chosen) - len([f for f in failures if not f.startswith('untouched')])} of {len(chosen)} caught; wrong: {failures}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
