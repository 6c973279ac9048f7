"""An in-toto Statement (v1) with the test-result predicate, not signed: its tests are the claims.

The predicate knows tests that passed, that warned and that failed. What could not be decided is a failed test there, because a
reader who lets warnings through must not let that through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from upheld.exporting import writing
from upheld.exporting.rows import Shown, rows, spelled
from upheld.exporting.writing import line, stamp, words
from upheld.model import Run
from upheld.reporting.headline import headline, notices, whole

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"

LISTS: dict[Shown, str] = {
    Shown.UPHELD: "passedTests",
    Shown.ATTESTED: "warnedTests",
    Shown.PARTIAL: "warnedTests",
    Shown.UNCOVERED: "failedTests",
    Shown.LAPSED: "failedTests",
    Shown.INCONCLUSIVE: "failedTests",
    Shown.REFUTED: "failedTests",
}
"""The list of the predicate in which a row stands."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


def dumps(run: Run) -> bytes:
    """`run` as a Statement, ready to be signed."""
    listed = rows(run)
    configuration: dict[str, Any] = {
        "name": line(run.policy),
        **({"digest": {"sha256": run.policy_digest}} if _SHA256.fullmatch(run.policy_digest) else {}),
        "annotations": {
            "run": line(run.id),
            "headline": words(headline(run).text),
            "started": stamp(run.started),
            "finished": stamp(run.finished),
            "complete": whole(run),
            "selected": [line(one) for one in run.selected],
            "target": line(f"{run.target.name} ({run.target.environment})"),
            "upheld": line(run.versions.get("upheld", "unknown")),
            "notices": [words(notice) for notice in notices(run)],
            "statuses": {line(row.id): row.shown.value for row in listed},
            "waivers": [words(f"{waiver.claim}: {spelled(waiver)}") for waiver in run.waivers],
        },
    }
    return writing.dumps(
        {
            "_type": STATEMENT,
            "subject": [_subject(run)],
            "predicateType": TEST_RESULT,
            "predicate": predicate(((line(row.id), row.shown) for row in listed), [configuration]),
        }
    )


def predicate(tests: Iterable[tuple[str, Shown]], configuration: list[dict[str, Any]]) -> dict[str, Any]:
    """The test-result predicate over these tests; PASSED only when there are some and all of them passed."""
    lists: dict[str, list[str]] = {"passedTests": [], "warnedTests": [], "failedTests": []}
    for name, shown in tests:
        lists[LISTS[shown]].append(name)
    if lists["failedTests"] or not any(lists.values()):
        result = "FAILED"
    else:
        result = "WARNED" if lists["warnedTests"] else "PASSED"
    return {"result": result, "configuration": configuration, **lists}


def _subject(run: Run) -> dict[str, Any]:
    """What the statement is about: the target by the digest of its description, else the run by its identifier."""
    if _SHA256.fullmatch(run.target.digest):
        return {"name": line(run.target.name), "digest": {"sha256": run.target.digest}}
    return {"name": "run", "digest": {"upheldRun": writing.identifier(run, "run").replace("-", "")}}
