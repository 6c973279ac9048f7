"""Whether what was deployed to production had been reviewed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.deploys import Deploys
from upheld.probes.forge import Forge
from upheld.probes.git import Git

from ._approvals import approval_of, change_of, merged, stale


@check(basis=INSPECTED)
def deploys_are_of_reviewed_commits(
    deploys: Deploys, git: Git, forge: Forge, clock: Clock, *, days: int = 366
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every deploy to production of the last `days` days was of a commit that was on the protected branch, and reviewed.

    Decides: for each deploy in the log, whether production got something that the branch was at that time, by a change that somebody
    else approved; and whether the branch is protected.

    How: the log names the commit; git says whether the branch ever ended with it; the forge says by which change it came,
    when that was merged, and who approved it (as in `reviews.every_commit_was_approved_by_someone_else`).

    Refuted by: a commit that the branch never ended with (of a feature branch, even if that was merged later); one that nobody
    else approved; a deploy before the merge; a branch that the forge does not protect.

    Cannot see: deploys that are not in the log; whether what ran was built from that commit.

    References: SOC 2 CC8.1, ISO/IEC 27001:2022 A.8.32, SLSA v1.2 build track.
    """
    now = clock.now()
    found = deploys.to_production(now - timedelta(days=days))
    branch = forge.branch()
    yield Finding(
        f"branch {branch.name}", branch.protected, "protected", "protected" if branch.protected else "not protected"
    )
    if reason := stale(git, forge):
        yield NotObserved("the branch", reason)
    known = merged(forge)
    for deploy in found:
        expected = f"a commit that the branch {branch.name} was then, and that somebody else approved"
        try:
            where = git.place(deploy.commit).where
            if where == "before":
                yield LeftOut(deploy, "its commit is from before the rules held")
                continue
            if where == "elsewhere":
                observed = f"{deploy.commit[:12]} is not on the branch {branch.name}, and never was its end"
                yield Finding(deploy, False, expected, observed)
                continue
            commit = git.commit(deploy.commit)
            change = change_of(forge, known, commit)
            if isinstance(change, str):
                yield Finding(deploy, False, expected, f"{commit}: {change}")
                continue
            approval = approval_of(forge, change)
        except Unobservable as unobservable:
            yield NotObserved(deploy, unobservable.reason, expected)
            continue
        early = change.merged_at is not None and deploy.at < change.merged_at
        if early:
            observed = f"{change} was merged only afterwards, {change.merged_at:%Y-%m-%d %H:%M} UTC"
        elif approval.by:
            observed = f"{change} was approved by {', '.join(approval.by)}"
        else:
            observed = f"{change}: {approval.why_not}"
        yield Finding(deploy, bool(approval.by) and not early, expected, observed)
