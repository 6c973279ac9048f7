"""Whether what is sensitive changes only with the security team's approval, and whether the owners file sees to that."""

from __future__ import annotations

from collections.abc import Iterator

from upheld import INSPECTED, Finding, NotObserved, Unobservable, check
from upheld.probes.codebase import Codebase, Owned, Security
from upheld.probes.forge import Forge
from upheld.probes.git import Git

from ._approvals import approval_of, change_of, history, merged, stale


@check(basis=INSPECTED)
def sensitive_changes_have_a_security_approval(
    git: Git, forge: Forge, codebase: Codebase
) -> Iterator[Finding | NotObserved]:
    """Every change that touches a sensitive path was approved by somebody of the security team who did not write it.

    Decides: for each commit that the production branch ever ended with since the date that the target gives and that
    touches a path of a sensitive area, whether one of the approvals that count is by a member of the security team.

    How: the files are those in which the commit differs from the one before it, as git has them; of a renamed file both
    names count. Approvals count as in `reviews.every_commit_was_approved_by_someone_else`. The team is as the forge has it
    today, with the accounts that the target names as former members.

    Refuted by: such a change with approvals by others only, with none, or without a change on the forge.

    Cannot see: sensitive code outside the declared paths; what the review looked at.

    References: SOC 2 CC8.1, ISO/IEC 27001:2022 A.8.28, NIST SP 800-218 PW.7, OWASP SAMM Verification.
    """
    security = codebase.security()
    team = {*(login.lower() for login in forge.team(security.team)), *(one.lower() for one in security.former)}
    if reason := stale(git, forge):
        yield NotObserved("the branch", reason)
    known = merged(forge)
    expected = f"an approval by the team {security.team}"
    for commit in history(git):
        try:
            areas = security.touched(git.changed_files(commit.sha))
            if not areas:
                continue
            change = change_of(forge, known, commit)
            if isinstance(change, str):
                yield Finding(commit, False, expected, f"touches {', '.join(areas)}; {change}")
                continue
            approval = approval_of(forge, change)
        except Unobservable as unobservable:
            yield NotObserved(commit, unobservable.reason, expected)
            continue
        fitting = [login for login in approval.by if login.lower() in team]
        if fitting:
            said = f"{change} was approved by {', '.join(fitting)}"
        elif approval.by:
            said = f"{change} was approved by {', '.join(approval.by)} only, who are not of the team {security.team}"
        else:
            said = f"{change}: {approval.why_not}"
        yield Finding(commit, bool(fitting), expected, f"touches {', '.join(areas)}; {said}")


@check(basis=INSPECTED)
def owners_file_covers_sensitive_paths(codebase: Codebase) -> Iterator[Finding | NotObserved]:
    """Every file of a sensitive area belongs to the security team alone, by the last line of the owners file that matches it.

    Decides: whether the file by which the forge asks owners for approval names the security team for all that is sensitive.

    How: for each file at the branch's head that a pattern of the target declares sensitive, the last line of the owners
    file that matches it decides, as on the forge; a line without owners takes its files from everybody. Of a file with sections,
    which only GitLab knows, each section that is not optional asks its own owners: it is enough when one gives it to the team alone.

    Refuted by: a file with no line; a later line that gives it to others; other owners beside the team, for then their
    approval is enough; a section that is optional, or excludes the file.

    Cannot see: whether the forge is set to ask owners at all (the approvals that were given show what it did), and whether
    it finds the team: it passes over owners that may not see the project.

    References: SOC 2 CC8.1, ISO/IEC 27001:2022 A.8.4, CIS Software Supply Chain Security Guide 1.1.7; GitHub Docs, About code owners;
    GitLab Docs, Syntax of CODEOWNERS file.
    """
    security = codebase.security()
    for area in security.areas:
        owned = codebase.owners(area.name)
        if not owned:
            yield NotObserved(area.name, "no file of the repository is in this area, so nothing shows who owns it")
            continue
        holes = [one for one in owned if not _is_held(security, one)]
        expected = f"all {len(owned)} files belong to the team {security.team} alone"
        unclear = [one for one in holes if _may_be_held(security, one)]
        if unclear and len(unclear) == len(holes):
            reason = f"{_shown(holes, len(owned))}, and more than one must approve, who may be of the team or not"
            yield NotObserved(area.name, reason, expected)
            continue
        observed = f"all {len(owned)} files belong to it" if not holes else _shown(holes, len(owned))
        yield Finding(area.name, not holes, expected, observed)


def _is_held(security: Security, one: Owned) -> bool:
    """Whether nobody but the team can approve what some line, or section, asks for."""
    return any(said.owners and not said.optional and all(map(security.is_team, said.owners)) for said in one.said)


def _may_be_held(security: Security, one: Owned) -> bool:
    """Whether a section asks for more approvals than it has owners beside the team: enough, if they are no groups."""
    return any(
        not said.optional and 0 < sum(not security.is_team(owner) for owner in said.owners) < said.approvals
        for said in one.said
        if any(map(security.is_team, said.owners))
    )


def _shown(holes: list[Owned], many: int) -> str:
    first = holes[0]
    said = "; ".join(
        f"belongs to {', '.join(one.owners) or 'nobody'} by line {one.line} of the owners file"
        + (f" (section {one.section}{', optional' if one.optional else ''})" if one.section else "")
        for one in first.said
    )
    return f"{len(holes)} of {many} files do not: {first.path} {said or 'belongs to nobody'}"
