"""What a customer gets of a run: a page and a signed PDF made and verified, for a usual run and for 50,000 findings.

Promise: of 54 claims with 2,000 observations the page is made and verified within 2 s and the PDF within 3 s; 50,000 findings take
no more for each than twice what 10,000 take, and less than 500 MB. Each run is shared in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upheld.evidence.keys import Issuer, SigningKey
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
from upheld.sharing.disclosing import Terms
from upheld.sharing.making import make, make_pdf
from upheld.sharing.verifying import verify

USUAL, SMALL, LARGE = (54, 37), (200, 50), (1_000, 50)
"""Claims, and findings and observations of each."""
PAGE_SECONDS, PDF_SECONDS, MEGABYTES, GROWTH = 2.0, 3.0, 500, 2.0


def run_of(claims: int, findings: int) -> Run:
    """A run of so many claims with a check each, all of which passed."""
    at = f"{datetime.now(UTC):%Y-%m-%d}T00:00:01.250Z"

    def check(number: int) -> CheckResult:
        seen = tuple(
            Observation(f"o{one}", "tls", "handshake", {"to": one}, True, "TLSv1.2", "", at, 0.04, "office")
            for one in range(findings)
        )
        found = tuple(
            FindingRecord(f"{one:016x}", f"subject {one}", Verdict.PASS, "refused", "refused", "", (f"o{one}",))
            for one in range(findings)
        )
        return CheckResult(
            f"{number:016x}", f"c{number}", "tls.refuses_old_versions", "Every endpoint refuses old versions.", Basis.OBSERVED,
            {}, "9f2c" * 16, Verdict.PASS, "", found, seen, Population(findings, findings), at, 0.4, ("weak-cipher",), True,
        )  # fmt: skip

    made = tuple(
        ClaimResult(
            f"c{number}", f"Promise {number}.", f"Section {number % 9}", Severity.HIGH, "platform", {"soc2": ("CC6.7",)},
            Status.UPHELD, Basis.OBSERVED, "", (check(number),), sabotages_seeded=("weak-cipher",),
        )
        for number in range(claims)
    )  # fmt: skip
    target = TargetSummary("bench", "production", "target.yaml", "a1b2" * 16, "office")
    return Run("upheld-run/1", "bench", at, at, 1.0, True, target, "Bench", "c3d4" * 16, {}, claims, made)


def share(claims: int, findings: int) -> dict[str, float]:
    """Seconds of CPU for the page and the PDF, each made and verified, the peak in megabytes, and their sizes."""
    run = run_of(claims, findings)
    key = SigningKey(Ed25519PrivateKey.generate())
    issuers = [Issuer(key.private.public_key())]
    today = datetime.now(UTC).date()
    start = time.process_time()
    made = make(run, Terms("Acme", today, today + timedelta(days=1)), key)
    page = verify(made.page, issuers)
    middle = time.process_time()
    paper = make_pdf(made, key)
    pdf = verify(paper, issuers)
    end = time.process_time()
    if not page.holds or not pdf.holds:
        raise SystemExit("what was made does not verify")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = {"page_mb": len(made.page) / 1e6, "pdf_mb": len(paper) / 1e6}
    return {"page": middle - start, "pdf": end - middle, "peak": peak, **sizes}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", nargs=2, type=int, metavar=("CLAIMS", "FINDINGS"), help=argparse.SUPPRESS)
    given, _ = parser.parse_known_args()
    if given.one:
        print(json.dumps(share(*given.one)))
        return
    found = {}
    for size in (USUAL, SMALL, LARGE):
        done = subprocess.run(
            [sys.executable, __file__, "--one", *map(str, size)], check=True, capture_output=True, text=True
        )
        found[size] = one = json.loads(done.stdout)
        print(
            f"{size[0]:>5} claims, {size[0] * size[1]:>6,} findings: page {one['page']:.2f} s ({one['page_mb']:.1f} MB), "
            f"PDF {one['pdf']:.2f} s ({one['pdf_mb']:.1f} MB), {one['peak']:.0f} MB"
        )
    usual, small, large = (found[size] for size in (USUAL, SMALL, LARGE))
    more = LARGE[0] * LARGE[1] / (SMALL[0] * SMALL[1])
    broken = [
        *(["the usual page takes too long"] if usual["page"] > PAGE_SECONDS else []),
        *(["the usual PDF takes too long"] if usual["pdf"] > PDF_SECONDS else []),
        *(["the largest takes too much memory"] if large["peak"] > MEGABYTES else []),
        *(
            f"the {name} grows faster than the run"
            for name in ("page", "pdf")
            if large[name] > GROWTH * more * small[name]
        ),
    ]
    if broken:
        raise SystemExit("; ".join(broken))


if __name__ == "__main__":
    main()
