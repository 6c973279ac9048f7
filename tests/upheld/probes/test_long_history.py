"""A repository with a long history is audited whole, in a time and a memory that have a bound."""

from __future__ import annotations

import json

import pytest
from tests.histories import CHANGES

from processes import said

COMMITS = 100_000
MEMORY = 1 << 30
SECONDS = 300


@pytest.mark.exhaustive
def test_a_hundred_thousand_commits_are_audited_in_bounded_time_and_memory() -> None:
    """In a process of its own, which has its own peak, and which is stopped where it does not come to its end."""
    script = (
        "import json; from tests.histories import audit; "
        f"done = audit({COMMITS}); print(json.dumps([done.findings, len(done.wrong), done.commits, done.peak]))"
    )
    findings, wrong, commits, peak = json.loads(said(script, seconds=SECONDS))
    assert findings > CHANGES
    assert wrong == 0
    assert commits == COMMITS
    assert peak < MEMORY
