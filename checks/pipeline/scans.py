"""Whether dependencies are scanned on every build: by the pipeline's definition, and in the builds that there were."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from upheld import INSPECTED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.codebase import Codebase
from upheld.probes.forge import Forge, Run
from upheld.probes.git import Git
from upheld.probes.workflows import Trigger, Workflow

from ._scanners import ScanCommand, scans_of

_EVENTS = ("push", "pull_request")


@check(basis=INSPECTED)
def every_lock_file_is_scanned_on_every_build(
    codebase: Codebase, git: Git, forge: Forge
) -> Iterator[Finding | NotObserved | LeftOut]:
    """The pipeline scans every lock file on every push and pull request, and fails on what the scan finds.

    Decides: for each lock file of the repository and for pushes as well as pull requests, whether a job that always runs
    then scans that file with a scanner whose findings fail the build.

    How: reads the definitions at the branch's head, with those of called workflows and of GitLab's child pipelines. A scan counts when its workflow
    starts on every push (of the production branch at the least) and every pull request to it, its job and step have no condition
    and no continue-on-error, and neither the shell, what follows the command nor its options swallow a failure. In a child
    pipeline it counts when the job that starts that waits for it. Where what is called or started cannot be read, what no other
    scan covers stays undecided.

    Refuted by: a lock file that no scan covers; a scan on a schedule only, or on some paths only; `continue-on-error`, `|| true`,
    `set +e`, a pipe without pipefail, an option that makes findings no failure, a child pipeline that nothing waits for.

    Cannot see: what a script or an action does that is not known here; whether the scanner works (the scan of
    `code.dependencies_have_no_known_vulnerability` is the second witness).

    References: SOC 2 CC7.1, ISO/IEC 27001:2022 A.8.8, NIST SP 800-218 PW.4.4, OWASP Top 10 CI/CD Security Risks CICD-SEC-3.
    """
    branch = forge.branch().name
    git.head()
    workflows = codebase.workflows()
    unread = "; ".join(reason for workflow in workflows for reason in workflow.unread)
    for lock in codebase.lock_files():
        if lock.left_out:
            yield LeftOut(lock, lock.left_out)
            continue
        expected = "scanned on every push and pull request, and findings fail the build"
        by, faults = _coverage(workflows, lock.path, branch)
        if len(by) == len(_EVENTS):
            yield Finding(lock, True, expected, f"scanned by `{by['push'].text}`", seen=(workflows,))
            continue
        observed = "; ".join(dict.fromkeys(faults)) or "no scan of the pipeline covers it"
        if unread:
            yield NotObserved(lock, f"{observed}, but {unread}", expected, seen=(workflows,))
        else:
            yield Finding(lock, False, expected, observed, seen=(workflows,))


@check(basis=INSPECTED)
def every_build_was_scanned(
    codebase: Codebase, forge: Forge, clock: Clock, *, days: int = 30, jobs: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Every commit that was built in the last `days` days had its scan of dependencies, which came to its end.

    Decides: for each commit that a push or a pull request had the pipeline build, whether a job that scans ran on it.

    How: lists the builds that the forge has recorded and their jobs. A job scans when it has the name of one that does in
    today's definitions, or one of `jobs`. It counts when it succeeded, or when it failed and the build with it, as it should.
    On GitLab the jobs of child pipelines are of the build. Where a child, or a workflow that is called, cannot be read, a build
    without a scan stays undecided.

    Refuted by: a commit of which no build has such a job; one that was skipped or cancelled; a build that succeeded although
    its scan failed. A build that is still going on is left for the next time.

    Cannot see: builds whose record the forge has dropped; what the job did under that name.

    References: SOC 2 CC7.1, ISO/IEC 27001:2022 A.8.8, NIST SP 800-218 PW.4.4.
    """
    workflows = codebase.workflows()
    names = set(jobs) | {job.name for workflow in workflows for job in workflow.jobs if any(scans_of(job))}
    unread = "; ".join(reason for workflow in workflows for reason in workflow.unread)
    expected = "a scan of the dependencies that came to its end"
    if not names:
        raise Unobservable(
            "no job of the pipeline scans dependencies, so no build can be held to one" + (unread and f"; {unread}")
        )
    by_commit: dict[str, list[Run]] = {}
    for run in forge.runs(clock.now() - timedelta(days=days)):
        by_commit.setdefault(run.commit, []).append(run)
    if not by_commit:
        raise Unobservable(f"the forge has no record of a build in the last {days} days")
    for commit, runs in by_commit.items():
        subject = f"builds of {commit[:12]} ({', '.join(dict.fromkeys(run.event for run in runs))})"
        try:
            outcome = _outcome(forge, runs, names)
        except Unobservable as unobservable:
            yield NotObserved(subject, unobservable.reason, expected)
            continue
        if outcome == "running":
            yield LeftOut(subject, "it is still going on, and is judged the next time")
        elif outcome and unread:
            yield NotObserved(subject, f"{outcome}, but {unread}", expected)
        else:
            yield Finding(subject, not outcome, expected, outcome or f"scanned on {runs[-1].at:%Y-%m-%d %H:%M} UTC")


def _outcome(forge: Forge, runs: list[Run], names: set[str]) -> str:
    """Empty when the builds of a commit had a scan that counts, "running" when one may still, else what is wrong."""
    running = False
    wrong = "no job that scans dependencies was part of the build"
    for run in runs:
        for job in forge.jobs(run.id):
            if job.name not in names:
                continue
            if job.status != "completed":
                running = True
            elif job.conclusion == "success" or (job.conclusion == "failure" and run.conclusion != "success"):
                return ""
            elif job.conclusion == "failure":
                wrong = f"the build succeeded although its scan ({job.name}) failed"
            else:
                wrong = f"its scan ({job.name}) was {job.conclusion or 'without an end'}"
        running = running or run.status != "completed"
    return "running" if running else wrong


def _coverage(workflows: tuple[Workflow, ...], lock_file: str, branch: str) -> tuple[dict[str, ScanCommand], list[str]]:
    """By which command a lock file is scanned on each event, and what keeps other commands from counting."""
    by: dict[str, ScanCommand] = {}
    faults: list[str] = []
    for workflow in workflows:
        for job in workflow.jobs:
            for scan in scans_of(job):
                if not scan.covers(lock_file):
                    continue
                if scan.void:
                    faults.append(f"`{scan.text}` in {workflow.path} does not count: {scan.void}")
                    continue
                for event in _EVENTS:
                    trigger = next((one for one in workflow.triggers if one.event == event), None)
                    if reason := _limit(trigger, event, branch):
                        faults.append(f"`{scan.text}` in {workflow.path} {reason}")
                    else:
                        by[event] = scan
    return by, faults


def _limit(trigger: Trigger | None, event: str, branch: str) -> str:
    """Why a workflow does not run on each such event; empty when it does."""
    if trigger is None:
        return f"does not run on a {event}"
    if trigger.limited:
        return f"does not run on every {event} ({trigger.limited})"
    if trigger.branches and not {branch, "*", "**"} & set(trigger.branches):
        return f"does not run on a {event} of {branch}"
    return ""
