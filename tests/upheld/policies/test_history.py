"""Claims with a history, and claims that were retracted."""

from __future__ import annotations

import pytest


def test_what_a_claim_said_before_is_kept(project, claim) -> None:
    project.policy(claim("a", 'previously:\n  - {until: "2026-10-01", statement: Old words., sentences: [Old.], why: Rebranding.}\n  - {until: 2025-01-31, statement: Oldest.}'))  # fmt: skip
    first, second = project.load().claims[0].previously
    assert (first.until, first.statement, first.sentences, first.why) == (
        "2026-10-01",
        "Old words.",
        ("Old.",),
        "Rebranding.",
    )
    assert (second.until, second.statement, second.sentences, second.why) == ("2025-01-31", "Oldest.", (), "")


def test_a_tombstone_is_no_claim_any_more_and_its_checks_may_be_gone(project, claim) -> None:
    project.policy(
        claim("a"), claim("b", "retracted: {day: 2026-10-01, why: No longer offered.}\nchecks: [tls.which_is_gone]")
    )
    policy = project.load()
    assert [one.id for one in policy.claims] == ["a"]
    (tombstone,) = policy.retracted
    assert (tombstone.id, tombstone.day, tombstone.why) == ("b", "2026-10-01", "No longer offered.")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        (["a", "a", "retracted: {day: 2026-10-01, why: x}"], "two claims are called 'a'"),
        (["a", "b", "retracted: {day: 2026-10-01, why: x}"], "decided_by names a claim that is retracted: 'b'"),
        (["a", "b", "retracted: {day: yesterday, why: x}"], "a date"),
        (["a", "b", "retracted: {day: 2026-10-01}"], "'why' is missing"),
        (["a", "b", "previously: [{statement: x}]"], "'until' is missing"),
    ],
)
def test_what_is_wrong_with_a_history_is_said(project, claim, claims: list[str], message: str) -> None:
    first, second, more = claims
    project.policy(claim(first, "decided_by: [b]" if "names" in message else ""), claim(second, more))
    assert any(message in str(one) for one in project.mistakes())


def test_a_policy_of_tombstones_alone_has_no_claims(project, claim) -> None:
    project.policy(claim("a", "retracted: {day: 2026-10-01, why: x}"))
    assert any("has no claims" in str(one) for one in project.mistakes())
