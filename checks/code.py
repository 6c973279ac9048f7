"""The platform's own code and what it is built from: static analysis, and known vulnerabilities of dependencies."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from upheld import INSPECTED, OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.callees import Callees
from upheld.probes.clock import Clock
from upheld.probes.code import Analysis, Code
from upheld.probes.codebase import Codebase
from upheld.probes.dependencies import Dependencies
from upheld.probes.tls_in_code import TlsInCode

_UNVERIFIED_BY_BANDIT = ("B323", "B501")
"""Bandit's tests for TLS without verification: an unverified context, a request that verifies no certificate."""


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


@check(basis=INSPECTED)
def clients_enforce_https(
    code: Code, tls_in_code: TlsInCode, callees: Callees, *, purpose: str, hosts: tuple[str, ...] = ()
) -> Iterator[Finding | NotObserved]:
    """No code calls a host for `purpose` by http, or switches off that its certificate is verified.

    Decides: whether https is enforced in the code too, and not only in the calls that were seen.

    How: the code at the branch's head is searched for http URLs of the hosts that the target declares for the purpose and of `hosts`
    (`*.example.com` covers all names below it). The code that makes the calls, which the target names, is searched by bandit (B323,
    B501) and by rules of this project for verification that is switched off, in Python as a syntax tree, elsewhere line by line.
    Comments that ask tools to be silent change nothing.

    Refuted by: an http URL of such a host; verification that is switched off in the code of the calls.

    Cannot see: what a variable or a setting outside the repository decides; verification left off by a library's own default. An
    http URL whose host is put in when the code runs, and a file that cannot be read, are shown as not observed.

    References: CWE-295, CWE-319, RFC 9525, OWASP ASVS 5.0 12.3.1 and 12.3.2, bandit's documentation of B323 and B501.
    """
    declared = tuple(one.host for one in callees.destinations() if one.purpose == purpose)
    meant = tuple(dict.fromkeys((*declared, *hosts)))
    no_plain, verified = "no http URL of it", "no verification that is switched off"
    if not meant:
        raise Unobservable(f"neither the target nor the policy names a host of {purpose} calls")
    clients = callees.code(purpose)
    read = tls_in_code.read(meant, clients)
    for one in read.plain:
        yield Finding(one, False, no_plain, f"{one.text} is not https", seen=(read,))
    for one in read.unverified:
        yield Finding(one, False, verified, one.text, seen=(read,))
    for one in read.open_ended:
        yield NotObserved(one, f"whose host it is cannot be told: {one.text}", no_plain, seen=(read,))
    for path, reason in read.unread:
        yield NotObserved(path, reason, no_plain, seen=(read,))
    if not read.plain:
        yield Finding(", ".join(meant), True, no_plain, f"none in {read.files} files", seen=(read,))
    if read.clients and not read.unverified:
        yield Finding(f"the code of {purpose} calls", True, verified, f"none in {read.clients} files", seen=(read,))
    elif not read.clients:
        yield NotObserved(f"the code of {purpose} calls", "no file of it could be read", verified, seen=(read,))
    if read.clients_in_python:
        yield from _by_bandit(code, clients, purpose, verified)


def _by_bandit(code: Code, clients: tuple[str, ...], purpose: str, expected: str) -> Iterator[Finding | NotObserved]:
    """What a tool that many trust says of the same code."""
    subject = f"the code of {purpose} calls, by bandit"
    try:
        analysis = code.bandit(_UNVERIFIED_BY_BANDIT, clients)
    except Unobservable as unobservable:
        yield NotObserved(subject, unobservable.reason, expected)
        return
    for issue in analysis.issues:
        yield Finding(issue, False, expected, f"{issue.severity}: {issue.message}", seen=(analysis,))
    for path, reason in analysis.unscanned:
        yield NotObserved(path, f"{analysis.tool} did not scan it: {reason}", expected, seen=(analysis,))
    if not analysis.issues:
        yield Finding(subject, True, expected, f"{analysis.files} files scanned, nothing found", seen=(analysis,))


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
