"""The review claim over a repository of 100,000 commits, with a forge on this machine that answers like GitHub.

Promise: under 20 s, from opening the repository to the last finding, where the rules hold for the last 250 changes. Beside it the
whole history is read as if the rules held from the first commit on, without a forge, for there each change costs the forge's own
requests. Prints seconds, commits a second and the peak memory; exits 1 when the promise is broken.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.histories import CHANGES, audit

PROMISED_SECONDS = 20.0


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=100_000)
    options = parser.parse_args()
    done = audit(options.commits)
    if done.wrong or done.findings <= CHANGES:
        sys.exit(f"{done.findings} findings, of which {len(done.wrong)} are no pass: {done.wrong[:1]}")
    print(
        f"review claim, {options.commits:,} commits, the last {CHANGES} judged: {done.judging:.1f} s (promised {PROMISED_SECONDS:.0f} s)"
    )
    rate = done.commits / done.reading
    print(
        f"whole history, {done.commits:,} commits: {done.reading:.1f} s, {rate:,.0f} a second; peak {done.peak >> 20} MB"
    )
    sys.exit(0 if done.judging < PROMISED_SECONDS and done.commits == options.commits else 1)


if __name__ == "__main__":
    main()
