"""Drafting a policy: how well the labelled pages are read, those that the phrasings were written with and others apart, and how fast.

Promises (issue 8): promise or not with precision and recall of at least 0.9; the right family of at least 0.9 of the promises that the catalogue can
decide; parameters right in at least 0.97; no invented threshold; all claims of the published page; a page of 2,000 words in under 2 s, the
start of the command included. On the pages of `unseen`, which nothing was tuned on, only invented thresholds break a promise.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from draft_accuracy import PUBLISHED, catalogue, published, score  # noqa: E402  (the labels lie with the tests)

WORDS = 2_000
SECONDS = 2.0


def long_page() -> str:
    """A page of as many words, made of the published one's lines with numbers that keep them apart."""
    lines = [line for line in PUBLISHED.read_text(encoding="utf-8").splitlines() if line.strip()]
    made: list[str] = []
    round_ = 0
    while sum(len(line.split()) for line in made) < WORDS:
        round_ += 1
        made += [f"{line} ({round_})" for line in lines]
    return "\n\n".join(made)


def seconds(page: Path, times: int) -> tuple[float, float]:
    """The least time that the command takes for that page, and the least that it computes; they differ on a machine that is busy."""
    best = least = float("inf")
    for _ in range(times):
        before, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        command = [sys.executable, "-c", "from upheld.cli.main import main; main()", "draft", str(page)]
        subprocess.run(command, check=True, capture_output=True)
        best = min(best, time.perf_counter() - before)
        least = min(least, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used)
    return best, least


def main() -> int:
    """Print what was measured; 1 where a promise is broken."""
    checks = catalogue()
    kept = True
    for folder in ("tuned", "held-back", "met", "unseen"):
        found = score(folder, checks)
        print(f"{folder}: {found}")
        for mistake in found.wrong if folder != "unseen" else ():  # Not shown, so that nobody tunes on it.
            print(f"  {mistake}")
        kept &= folder == "unseen" or min(found.precision, found.recall, found.family, found.right - 0.07) >= 0.9
        kept &= found.invented == 0 and found.right_foreign == found.foreign
    page = published(checks)
    print(
        f"published page: {page.found} of {page.claims} claims with a check of the family that decides them, {page.covered} decided as they stand, "
        f"the others ask; parameters {page.right_parameters}/{page.parameters}, invented {page.invented}; promises missed {page.missed_promises}, "
        f"false {page.false_promises}"
    )
    kept &= page.found == page.claims and not page.invented and page.right_parameters == page.parameters
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.txt"
        file.write_text(long_page(), encoding="utf-8")
        words = len(file.read_text(encoding="utf-8").split())
        took, used = seconds(file, 3)
    print(
        f"draft of {words} words: {took:.2f} s ({used:.2f} s of computing), best of 3, process start included (promised: {SECONDS:g} s)"
    )
    return 0 if kept and took < SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
