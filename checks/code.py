"""The platform's own code and what it is built from: static analysis, and known vulnerabilities of dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.clock import Clock
from upheld.probes.code import Analysis, Code
from upheld.probes.codebase import Codebase
from upheld.probes.dependencies import Dependencies


class Severity(StrEnum):
    """From which severity on a finding of static analysis counts."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def counting(self) -> tuple[str, ...]:
        """The severities that count."""
        every = [one.value for one in Severity]
        return tuple(every[: every.index(self.value) + 1])


@check(basis=OBSERVED)
def dependencies_have_no_known_vulnerability(
    codebase: Codebase, dependencies: Dependencies, clock: Clock, *, mirror_days: int = 7
) -> Iterator[Finding | NotObserved | LeftOut]:
    """No package that a lock file pins has a published advisory about its version.

    Decides: for each lock file at the branch's head, whether a scan that is made now finds anything.

    How: first a control: a package that is known to be vulnerable must be reported, or nothing is believed. Then everything that the lock
    files pin is scanned, whatever platform it is meant for: Python's packages by pip-audit, others by comparing their
    versions with the same advisories. A mirror that is older than `mirror_days` decides nothing.

    Refuted by: a package with an advisory that is not withdrawn. Waivers are given in the policy, not here.

    Cannot see: what no advisory speaks of, above all where the mirror is a small one; whether the vulnerable part is used;
    packages that come from a repository or a URL, which are shown as not observed.

    References: SOC 2 CC7.1, ISO/IEC 27001:2022 A.8.8, NIST SP 800-218 PW.4.4, OWASP Top 10 A06:2021.
    """
    source = dependencies.source()
    if source.dated is not None:
        age = (clock.now().date() - source.dated).days
        if age > mirror_days or age < 0:
            raise Unobservable(
                f"the mirror of advisories is of {source.dated}, {age} days old; it may be {mirror_days}"
            )
    believed: dict[str, str] = {}
    for lock in codebase.lock_files():
        if lock.left_out:
            yield LeftOut(lock, lock.left_out)
            continue
        expected = "no package with a published advisory"
        try:
            ecosystem = dependencies.ecosystem(lock.path)
            if ecosystem not in believed:
                control = dependencies.control(ecosystem)
                known = dict.fromkeys(str(one) for one in control.vulnerable)
                believed[ecosystem] = "" if known else "the scan did not find a package that is known to be vulnerable"
            scan = dependencies.scan(lock.path)
        except Unobservable as unobservable:
            yield NotObserved(lock, unobservable.reason, expected)
            continue
        if scan.vulnerable:
            yield Finding(lock, False, expected, "; ".join(map(str, scan.vulnerable)))
        elif believed[ecosystem]:
            yield NotObserved(lock, believed[ecosystem], expected)
        elif scan.skipped:
            name, why = scan.skipped[0]
            many = f"{len(scan.skipped)} entries were skipped, {scan.scanned} scanned"
            yield NotObserved(lock, f"{many}: {name} {why}", expected)
        else:
            yield Finding(lock, True, expected, f"{scan.scanned} packages scanned by {scan.scanner}, none with one")


@check(basis=INSPECTED)
def bandit_finds_nothing_serious(
    code: Code, *, severity: Severity = Severity.HIGH
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Bandit finds nothing of `severity` or worse in the platform's Python code.

    Decides: whether static analysis by a tool that many trust finds a serious defect.

    How: runs bandit over a copy of the code at the branch's head, without the repository's own settings and with what
    comments suppress. What a `nosec` comment explains away is left out, and shown with the comment.

    Refuted by: a finding of that severity that no comment suppresses.

    Cannot see: defects that need more than one function to be seen; languages other than Python. A file that could not be
    scanned is shown as not observed.

    References: ISO/IEC 27001:2022 A.8.28, A.8.29, NIST SP 800-218 PW.7, bandit's documentation of its tests.
    """
    yield from _judged(code.bandit(), severity)


@check(basis=INSPECTED)
def semgrep_finds_nothing_serious(
    code: Code, *, severity: Severity = Severity.HIGH
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Semgrep finds nothing of `severity` or worse in the platform's code by the rules of this project.

    Decides: whether the code has one of the patterns that the rules describe: unverified connections and tokens, SQL and shell
    commands from text, secrets in logs, weak ciphers and hashes, unsafe loading, markup that is not escaped.

    How: runs semgrep over a copy of the code at the branch's head, without the repository's list of what to ignore and with
    what comments suppress. What a `nosemgrep` comment explains away is left out, and shown with the comment.

    Refuted by: a finding of that severity that no comment suppresses.

    Cannot see: the same defect in a form that no rule describes. A file that could not be scanned is shown as not observed.

    References: ISO/IEC 27001:2022 A.8.28, A.8.29, NIST SP 800-218 PW.7, CWE numbers with each rule.
    """
    yield from _judged(code.semgrep(), severity)


def _judged(analysis: Analysis, severity: Severity) -> Iterator[Finding | NotObserved | LeftOut]:
    """One finding for the files as a whole, one for each issue that counts, and what was suppressed or not scanned."""
    expected = f"no finding of severity {' or '.join(severity.counting)}"
    counting = [one for one in analysis.issues if one.severity in severity.counting]
    kept = [one for one in counting if not one.suppressed]
    for issue in counting:
        if issue.suppressed:
            yield LeftOut(issue, f"suppressed in the code: {issue.suppressed}")
        else:
            yield Finding(issue, False, expected, f"{issue.severity}: {issue.message}", seen=(analysis,))
    for path, reason in analysis.unscanned:
        yield NotObserved(path, f"{analysis.tool} did not scan it: {reason}", expected, seen=(analysis,))
    if not kept:
        observed = f"{analysis.files} files scanned by {analysis.tool}, {len(counting)} findings suppressed in the code"
        yield Finding("the code", True, expected, observed, seen=(analysis,))
