"""Whether whatever reached the production branch was approved by somebody else, and whether the forge lets anything else in."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, Finding, NotObserved, Unobservable, check
from upheld.probes.forge import Forge
from upheld.probes.git import Git

from ._approvals import approval_of, change_of, history, merged, stale


@check(basis=INSPECTED)
def every_commit_was_approved_by_someone_else(git: Git, forge: Forge) -> Iterator[Finding | NotObserved]:
    """Every commit on the production branch came by a change that somebody else approved on its last revision, before the merge.

    Decides: for each commit that the branch ever ended with since the date that the target gives, whether it is a change
    of the forge with an approval that counts.

    How: git says what the branch was (its first parents), the forge which change each commit became, who reviewed which
    revision and when. Of each reviewer the last word before the merge counts. An approval counts when it is of the change's last
    revision, by a person, and by none of those who wrote it: the change's author, authors and committers of its commits,
    and those named as co-authors, compared by account, by name and by address, so that a second address does not
    make two people of one. What a forge's button commits is by nobody.

    Refuted by: a commit without a change; a change that nobody approved, or only its author, a bot, or somebody before the last
    push or after the merge; a merge of other commits than the change had.

    Cannot see: whether the reviewer read what was approved; two accounts of one person under two names; what a person
    put into a squashed commit by hand. Commits of feature branches count with the merge that brought them.

    References: SOC 2 CC8.1, ISO/IEC 27001:2022 A.8.32, SLSA v1.2 source track (two-party review), OpenSSF Scorecard Code-Review.
    """
    if reason := stale(git, forge):
        yield NotObserved("the branch", reason)
    known = merged(forge)
    for commit in history(git):
        expected = "a change that somebody else approved on its last revision, before the merge"
        try:
            change = change_of(forge, known, commit)
            if isinstance(change, str):
                yield Finding(commit, False, expected, change)
                continue
            approval = approval_of(forge, change)
        except Unobservable as unobservable:
            yield NotObserved(commit, unobservable.reason, expected)
            continue
        observed = (
            f"{change} was approved by {', '.join(approval.by)}" if approval.by else f"{change}: {approval.why_not}"
        )
        yield Finding(commit, bool(approval.by), expected, observed)


@check(basis=INSPECTED)
def protection_forbids_unreviewed_changes(forge: Forge, *, approvals: int = 1) -> Iterator[Finding]:
    """Nobody at all gets anything onto the production branch without `approvals` approvals of its last revision.

    Decides: whether the branch is protected so that what the history shows had to be so.

    How: reads the branch's own protection and the rulesets that apply to it. A rule that some may go round counts for nobody.

    Refuted by: no need for a review, or for fewer approvals; approvals that outlive a push; administrators or others who
    may go round; pushes by force, or deletion of the branch.

    Cannot see: how it was protected before; who may change the protection itself.

    References: SOC 2 CC8.1, ISO/IEC 27001:2022 A.8.4, CIS Software Supply Chain Security Guide 1.1, OpenSSF Scorecard Branch-Protection.
    """
    held = forge.protection()
    many = f"{held.approvals} approval{'s' if held.approvals != 1 else ''} needed"
    yield Finding("approvals", held.approvals >= max(1, approvals), f"at least {max(1, approvals)} needed", many)
    fresh = held.dismisses_stale or held.last_push_approval
    yield Finding(
        "approvals before the last push",
        fresh,
        "a push makes them void",
        "a push makes them void" if fresh else "they still count after a push",
        seen=(held,),
    )
    yield Finding(
        "administrators",
        held.holds_administrators,
        "held like everybody",
        "held like everybody" if held.holds_administrators else "the protection does not hold administrators",
        seen=(held,),
    )
    yield Finding(
        "exemptions",
        not held.exempt,
        "nobody may go round the review",
        f"may go round it: {', '.join(held.exempt)}" if held.exempt else "nobody may go round it",
        seen=(held,),
    )
    for subject, refused in (("pushes by force", held.refuses_force_pushes), ("deletion", held.refuses_deletion)):
        yield Finding(subject, refused, "refused", "refused" if refused else "allowed", seen=(held,))
