"""Bundle, verify and page of a run: 54 claims with 2,000 observations, and how it grows up to 50,000 findings.

Promises: the three of them within 2 s for the usual run; for 50,000 findings linear growth (at most 1.5 times as long a finding as for a
tenth of them) and at most 500 MB, each size in a process of its own. Prints seconds and megabytes; exits 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upheld.evidence import bundle, inputs
from upheld.evidence.keys import Issuer, SigningKey
from upheld.evidence.verifying import verify
from upheld.judging import redecide
from upheld.model import (
    Basis,
    CheckResult,
    ClaimResult,
    FindingRecord,
    Observation,
    Population,
    Run,
    Severity,
    Status,
    TargetSummary,
    Verdict,
)
from upheld.reporting import html, run_json

SECONDS, MEGABYTES, GROWTH = 2.0, 500, 1.5
USUAL = (54, 2_000)
LARGE = (1_000, 50_000)
AT = "2026-11-26T12:00:00.000Z"
POLICY = {"policy/000-policies.yaml": b"upheld: policy/1\nname: bench\n"}


def recorded(claims: int, findings: int) -> Run:
    """A run of so many claims, each with up to three checks, and an observation under each finding."""
    each, results = findings // claims, []
    spare = findings - each * claims
    for number in range(claims):
        name, count = f"claim-{number}", each + (number < spare)
        checks = [
            check(name, place, count // 3 + (place < count % 3))
            for place in range(3)
            if count // 3 + (place < count % 3)
        ]
        results.append(
            ClaimResult(
                id=name,
                statement=f"Promise number {number} is kept — always.",
                section=f"Section {number % 9}",
                severity=Severity.HIGH,
                owner="platform",
                references={"soc2": ("CC6.1",), "iso27001": ("A.8.24",)},
                status=Status.UPHELD,
                basis=Basis.OBSERVED,
                reason="",
                checks=tuple(checks),
            )
        )
    return Run(
        format=run_json.FORMAT,
        id="00000000-0000-4000-8000-000000000000",
        started=AT,
        finished=AT,
        seconds=45.0,
        complete=True,
        target=TargetSummary("bench", "staging", "target.yaml", "0" * 64, "here"),
        policy="bench",
        policy_digest=inputs.policy_digest(POLICY),
        versions={"upheld": "0"},
        planned=sum(len(one.checks) for one in results),
        claims=redecide(results, {}),
    )


def check(claim: str, place: int, count: int) -> CheckResult:
    """One check that passed on so many subjects."""
    key = f"{claim}-{place}"
    observations = tuple(
        Observation(
            id=f"{key}-{number}",
            probe="http",
            look="get",
            arguments={"url": f"https://www.example.com/{claim}/{number}", "as_identity": "owner-of-shop"},
            seen=True,
            value={
                "status": 403,
                "headers": {f"x-header-{one}": f"value {number} of header {one}" for one in range(8)},
                "body": f"refused: {number} " * 12,
            },
            reason="",
            at=AT,
            seconds=0.0123,
            vantage="here",
        )
        for number in range(count)
    )
    findings = tuple(
        FindingRecord(
            fingerprint=f"{hash((key, number)) & (2**64 - 1):016x}",
            subject=f"GET /{claim}/{number} as viewer",
            verdict=Verdict.PASS,
            expected="is refused",
            observed="answers 403",
            reason="",
            observations=(f"{key}-{number}",),
        )
        for number in range(count)
    )
    return CheckResult(
        key=key,
        claim=claim,
        id=f"family.check_{place}",
        title="Every request is refused.",
        basis=Basis.OBSERVED,
        parameters={"limit": 3},
        code_digest=f"{place}" * 64,
        verdict=Verdict.PASS,
        reason="",
        findings=findings,
        observations=observations,
        population=Population(count, count),
        started=AT,
        seconds=0.5,
    )


def measure(claims: int, findings: int) -> dict[str, float]:
    """Seconds of each of the three, and megabytes of the process; the run itself is read from its file, as the commands do."""
    given = {**POLICY, inputs.TARGET: b"{}\n", inputs.CALIBRATION: b"{}\n"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Made in a process of its own, so that only what the commands need is measured here.
        script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench_evidence as b; "
        script += f"b.run_json.write(b.recorded({claims}, {findings}), b.Path({str(folder / 'run.json')!r}))"
        subprocess.run([sys.executable, "-c", script], check=True)
        key = SigningKey(Ed25519PrivateKey.generate())
        took = {}
        started = time.perf_counter()
        run = run_json.read(folder / "run.json")
        data = bundle.make(run, given, key)
        (folder / "run.upheld").write_bytes(data)
        took["bundle"] = time.perf_counter() - started
        after_bundle = peak()
        del data
        started = time.perf_counter()
        html.write(run, folder / "report.html")
        took["page"] = time.perf_counter() - started
        del run
        started = time.perf_counter()
        found = verify(folder / "run.upheld", [Issuer(key.private.public_key())])
        took["verify"] = time.perf_counter() - started
        if not found.holds:
            sys.exit(f"the bundle does not hold: {found.points}")
        sizes = {one: (folder / one).stat().st_size / 1e6 for one in ("run.json", "run.upheld", "report.html")}
    return {**took, **sizes, "after bundle": after_bundle, "peak": peak()}


def peak() -> float:
    """The most memory that this process had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(claims: int, findings: int) -> dict[str, float]:
    """What `measure` gives in a process of its own, the best of two."""
    found = []
    for _ in range(2):
        command = [sys.executable, __file__, "--one", str(claims), str(findings)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(done.stdout))
    best = min(found, key=total)
    words = ", ".join(f"{name} {best[name]:.2f} s" for name in ("bundle", "verify", "page"))
    sizes = ", ".join(f"{name} {best[name]:.1f} MB" for name in ("run.json", "run.upheld", "report.html"))
    print(
        f"{claims:,} claims, {findings:,} findings: {total(best):.2f} s ({words}); {sizes}; peak {best['peak']:.0f} MB"
    )
    return best


def total(found: dict[str, float]) -> float:
    """Seconds of all three."""
    return found["bundle"] + found["verify"] + found["page"]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--one", type=int, nargs=2, metavar=("CLAIMS", "FINDINGS"), help="Print the figures of one size."
    )
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one)))
        return
    usual = apart(*USUAL)
    tenth, large = apart(LARGE[0] // 10, LARGE[1] // 10), apart(*LARGE)
    growth = total(large) / total(tenth) / 10
    print(f"a finding of {LARGE[1]:,} costs {growth:.2f} times one of {LARGE[1] // 10:,} (promised {GROWTH})")
    broken = []
    if total(usual) > SECONDS:
        broken.append(f"{total(usual):.2f} s instead of {SECONDS:.0f}")
    if growth > GROWTH:
        broken.append(f"growth {growth:.2f}")
    if large["peak"] > MEGABYTES:
        broken.append(f"{large['peak']:.0f} MB instead of {MEGABYTES}")
    sys.exit(f"a promise is broken: {', '.join(broken)}" if broken else 0)


if __name__ == "__main__":
    main()
