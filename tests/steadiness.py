"""`python tests/steadiness.py`: audits the untouched reference several times in random order, and compares what was decided.

Exits with 1 when a claim or a check has another verdict in one run than in another, or when one is not upheld. The seeds are
printed, so that an order can be had again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HELD = {"upheld", "attested", "uncovered", "pass"}


def verdicts(seed: int, workers: int) -> dict[str, str]:
    """What one audit in the order of this seed decides, by claim and by claim and check; exits when it left no run."""
    with tempfile.TemporaryDirectory(prefix="upheld-steadiness-") as out:
        command = [sys.executable, "-m", "pytest", "-q", "policies.yaml", "--target", "reference", "-n", str(workers)]
        order = ["--random-order-bucket=global", f"--random-order-seed={seed}"]
        done = subprocess.run(
            [*command, *order, "--upheld-out", out], cwd=ROOT, capture_output=True, text=True, check=False
        )
        path = Path(out) / "run.json"
        if not path.exists():
            sys.exit(f"seed {seed}: no run.json:\n{done.stdout}{done.stderr}")
        run = json.loads(path.read_text(encoding="utf-8"))
    found = {claim["id"]: claim["status"] for claim in run["claims"]}
    for claim in run["claims"]:
        for number, check in enumerate(claim["checks"]):
            found[f"{claim['id']} {check['id']} ({number})"] = check["verdict"]
            if check["verdict"] not in HELD:
                print(f"seed {seed}: {check['id']} is {check['verdict']}: {check['reason']}")
    print(f"seed {seed}: {len(run['claims'])} claims, {run['planned']} checks, {run['seconds']:.1f} s", flush=True)
    return found


def main() -> None:
    """Run the audits; exit 1 when they differ or something does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1, help="the seed of the first run; the others follow")
    parser.add_argument("-n", type=int, default=2, dest="workers")
    given = parser.parse_args()
    runs = [verdicts(seed, given.workers) for seed in range(given.seed, given.seed + given.runs)]
    wrong = 0
    for name in sorted(set().union(*runs)):
        got = [run.get(name, "absent") for run in runs]
        if len(set(got)) > 1 or not set(got) <= HELD:
            wrong += 1
            print(f"{name}: {', '.join(got)}")
    print(f"{given.runs} runs: {wrong} of {len(runs[0])} verdicts differ or do not hold")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
