"""A run that shows every status, and pieces to build others from."""

from __future__ import annotations

import dataclasses
from typing import Any

from upheld.model import (
    Basis,
    CheckResult,
    ClaimResult,
    FindingRecord,
    Observation,
    Override,
    Plain,
    Population,
    Run,
    Severity,
    Status,
    TargetSummary,
    Verdict,
    Waiver,
)

HOSTILE: dict[str, str] = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"' onmouseover='alert(2)' x=\"",
    "link": "javascript:alert(3)",
    "image": "<img src=x onerror=alert(4)>",
    "style end": "</style><style>*{display:none}</style>",
    "pre end": "</pre></details></main><h1>All claims upheld</h1>",
    "template": "{{ 7*7 }}{% raw %}",
    "markup": "[red]red[/red] [link=https://example.com]x[/link] :smile:",
    "colour": "\x1b[32mUPHELD\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "hyperlink": "\x1b]8;;https://example.com\x1b\\x\x1b]8;;\x1b\\",
    "eight-bit": "\x9b31m",
    "bell": "\x07\x08\x7f",
    "bidi": "refuted \u202edlehpu\u202c \u2066x\u2069 \u200f",
    "invisible": "up\u200bheld\ufeff\u2060\U000e0041",
    "line": "first\r\nsecond\rthird\u2028fourth\u0085fifth",
    "nul": "a\x00b",
    "surrogate": "a\ud800b\udfffc",
}
"""What a hostile target may send, by what it tries."""


def observation(
    number: int = 1, *, key: str = "k", value: Plain = "TLSv1.2", reason: str = "", **changes: Any
) -> Observation:
    """One look of a probe."""
    made = Observation(
        id=f"{key}.{number}",
        probe="tls",
        look="handshake",
        arguments={"endpoint": "api", "version": "TLS 1.0"},
        seen=not reason,
        value=None if reason else value,
        reason=reason,
        at="2026-03-02T09:30:01.250Z",
        seconds=0.041,
        vantage="office",
    )
    return dataclasses.replace(made, **changes)


def finding(
    verdict: Verdict = Verdict.PASS, subject: str = "api (api.example.com:443)", **changes: Any
) -> FindingRecord:
    """One finding, with words that fit its verdict."""
    made = FindingRecord(
        fingerprint="0123456789abcdef",
        subject=subject,
        verdict=verdict,
        expected="refuses TLS 1.0",
        observed={
            Verdict.PASS: "refused with alert protocol_version",
            Verdict.FAIL: "completed a TLS 1.0 handshake with ECDHE-RSA-AES128-SHA",
        }.get(verdict, ""),
        reason="no answer within 10 s" if verdict is Verdict.INCONCLUSIVE else "",
        observations=("k.1",),
    )
    return dataclasses.replace(made, **changes)


def check(verdict: Verdict = Verdict.PASS, *findings: FindingRecord, **changes: Any) -> CheckResult:
    """One check's result; by default it rests on one finding of that verdict."""
    if not findings and verdict is not Verdict.NOT_APPLICABLE:
        findings = (finding(verdict),)
    reasons = {
        Verdict.FAIL: "api (api.example.com:443): completed a TLS 1.0 handshake with ECDHE-RSA-AES128-SHA",
        Verdict.INCONCLUSIVE: "api (api.example.com:443): no answer within 10 s",
        Verdict.NOT_APPLICABLE: "the product has no such plan",
    }
    probed = len({one.subject for one in findings if one.verdict is not Verdict.INCONCLUSIVE})
    made = CheckResult(
        key="k",
        claim="transit-tls12",
        id="tls.refuses_old_versions",
        title="Every public endpoint refuses TLS versions older than `minimum`.",
        basis=Basis.OBSERVED,
        parameters={"minimum": "TLS 1.2"},
        code_digest="9f2c" * 16,
        verdict=verdict,
        reason=reasons.get(verdict, ""),
        findings=findings,
        observations=(observation(),) if findings else (),
        population=Population(len({one.subject for one in findings}), probed),
        started="2026-03-02T09:30:01.200Z",
        seconds=0.4,
        sabotages_caught=("tls-1.0-accepted", "weak-cipher"),
        calibrated=True,
    )
    return dataclasses.replace(made, **changes)


def claim(status: Status = Status.UPHELD, *checks: CheckResult, **changes: Any) -> ClaimResult:
    """One claim of that status, with a check that gave it."""
    verdicts = {
        Status.UPHELD: Verdict.PASS,
        Status.ATTESTED: Verdict.PASS,
        Status.REFUTED: Verdict.FAIL,
        Status.INCONCLUSIVE: Verdict.INCONCLUSIVE,
        Status.LAPSED: Verdict.PASS,
    }
    basis = Basis.ATTESTED if status is Status.ATTESTED else Basis.OBSERVED
    if not checks and status in verdicts:
        checks = (check(verdicts[status], basis=basis),)
    reasons = {
        Status.REFUTED: "tls.refuses_old_versions: completed a TLS 1.0 handshake",
        Status.INCONCLUSIVE: "tls.refuses_old_versions: no answer within 10 s",
        Status.LAPSED: "the last review is 40 days older than it may be",
        Status.UNCOVERED: "no check decides this claim yet",
    }
    made = ClaimResult(
        id="transit-tls12",
        statement="All API and web traffic: TLS 1.2+",
        section="Encryption in transit",
        severity=Severity.CRITICAL,
        owner="platform",
        references={"soc2": ("CC6.7",), "iso27001": ("A.8.24",)},
        status=status,
        basis=None if status is Status.UNCOVERED else basis,
        reason=reasons.get(status, ""),
        checks=checks,
    )
    return dataclasses.replace(made, **changes)


def run(*claims: ClaimResult, **changes: Any) -> Run:
    """A complete run of these claims."""
    made = Run(
        format="upheld-run/1",
        id="7d0c2f0e-6f0b-4c1e-9a53-1f1f0d8f2a11",
        started="2026-03-02T09:30:00.000Z",
        finished="2026-03-02T09:30:42.500Z",
        seconds=42.5,
        complete=True,
        target=TargetSummary("rivet-staging", "staging", "targets/staging.yaml", "a1b2" * 16, "office"),
        policy="Rivet security page",
        policy_digest="c3d4" * 16,
        versions={"upheld": "0.1.0", "python": "3.11.7"},
        planned=sum(len(one.checks) for one in claims),
        claims=claims,
    )
    return dataclasses.replace(made, **changes)


def full() -> Run:
    """A run with every status, waivers, subjects left out, an override and sentences that promise nothing."""
    waiver = Waiver(
        claim="rate-limits",
        reason="The partner endpoint gets its limit with the new gateway.",
        approver="Thandi M., head of security",
        expires="2026-04-30",
        check="limits.every_operation_is_limited",
        subject="POST /v1/partner/events",
    )
    limits = check(
        Verdict.FAIL,
        finding(
            Verdict.FAIL,
            "POST /v1/partner/events",
            expected="answers 429 with Retry-After within 300 requests",
            observed="answered 202 to all of 300 requests",
            observations=("r.1",),
        ),
        finding(
            Verdict.FAIL,
            "GET /v1/status",
            expected="answers 429 with Retry-After within 300 requests",
            observed="answered 429 after 121 requests, without Retry-After",
            observations=("r.2",),
        ),
        *(
            finding(
                subject=f"GET /v1/{name}",
                expected="answers 429 with Retry-After within 300 requests",
                observed="429 after 120 requests, Retry-After 30",
                observations=("r.2",),
            )
            for name in ("contacts", "messages", "workspaces", "exports")
        ),
        key="r",
        claim="rate-limits",
        id="limits.every_operation_is_limited",
        title="Every public operation answers 429 with Retry-After within `budget` requests.",
        parameters={"budget": 300},
        reason="POST /v1/partner/events: answered 202 to all of 300 requests (and 1 more)",
        population=Population(7, 6, (("POST /v1/webhooks/meta", "signed by Meta; limited upstream"),)),
        observations=(
            observation(
                1,
                key="r",
                probe="http",
                look="burst",
                arguments={"operation": "POST /v1/partner/events", "requests": 300},
                value={"statuses": {"202": 300}, "retry_after": None, "seconds": 3.2},
            ),
            observation(
                2,
                key="r",
                probe="http",
                look="burst",
                arguments={"operation": "GET /v1/status", "requests": 300},
                value={"statuses": {"200": 121, "429": 179}, "retry_after": None, "seconds": 2.9},
            ),
        ),
        sabotages_caught=("one-operation-unlimited", "no-retry-after", "limit-by-forwarded-for"),
    )
    reviews = check(
        claim="access-reviewed",
        id="registers.reviews_are_on_time",
        title="Every access review took place within `every_days` of the one before.",
        basis=Basis.RECORDED,
        parameters={"every_days": 90},
        calibrated=False,
        sabotages_caught=(),
    )
    bsp = check(
        claim="meta-bsp",
        id="attestations.is_signed",
        title="A person who may do so signed the statement, and it has not expired.",
        basis=Basis.ATTESTED,
        parameters={},
    )
    retention = check(
        Verdict.INCONCLUSIVE,
        finding(
            subject="message_log",
            expected="no row older than 90 days",
            observed="oldest row is 88 days old",
            observations=("d.1",),
        ),
        finding(
            Verdict.INCONCLUSIVE,
            "search index",
            expected="no document older than 90 days",
            reason="the target describes no search index",
            observations=("d.2",),
        ),
        claim="retention-90-days",
        id="retention.nothing_is_older_than_its_period",
        title="Nothing is older than its workspace's period, in any store.",
        basis=Basis.INSPECTED,
        parameters={"grace_hours": 24},
        reason="search index: the target describes no search index",
        observations=(
            observation(
                1,
                key="d",
                probe="database",
                look="oldest",
                arguments={"table": "message_log"},
                value="2025-12-04T11:02:00Z",
            ),
            observation(
                2, key="d", probe="search", look="oldest", arguments={}, reason="the target describes no search index"
            ),
        ),
    )
    tls = check(
        Verdict.PASS,
        *(
            finding(subject=f"{name} ({name}.example.com:443)", expected=f"refuses {version}")
            for name in ("api", "app", "hooks")
            for version in ("TLS 1.0", "TLS 1.1")
        ),
    )
    return run(
        claim(Status.UPHELD, tls, references={"soc2": ("CC6.7",), "iso27001": ("A.8.24",), "popia": ("s19",)}),
        claim(
            id="transit-internal-mtls",
            statement="Internal service communication: mTLS where applicable",
            checks=(
                check(
                    id="tls.internal_needs_client_certificate",
                    title="Every internal service refuses a caller without a certificate.",
                ),
            ),
        ),
        claim(
            Status.REFUTED,
            limits,
            id="rate-limits",
            statement="Rate limiting and abuse detection on all public-facing endpoints",
            section="Application Security",
            severity=Severity.HIGH,
            owner="engineering",
            reason="limits.every_operation_is_limited: POST /v1/partner/events: answered 202 to all of 300 requests (and 1 more)",
            waivers=(waiver,),
        ),
        claim(
            Status.UNCOVERED,
            id="peer-reviewed",
            statement="All code changes go through peer review before merging to production",
            section="Application Security",
            severity=Severity.HIGH,
            note="Will be decided by the forge's record of approvals.",
        ),
        claim(
            Status.LAPSED,
            reviews,
            id="access-reviewed",
            statement="Internal access is reviewed regularly and revoked promptly upon role changes.",
            section="Access Controls",
            severity=Severity.MEDIUM,
            owner="security",
            basis=Basis.RECORDED,
        ),
        claim(
            Status.ATTESTED,
            bsp,
            id="meta-bsp",
            statement="Rivet operates as a Meta Business Solution Provider (BSP) and is bound by Meta's data security policies in addition to our own.",
            section="WhatsApp & Meta Credential Security",
            severity=Severity.LOW,
            owner="legal",
        ),
        claim(
            Status.INCONCLUSIVE,
            retention,
            id="retention-90-days",
            statement="Message logs and automation run data are retained for 90 days by default",
            section="Data Handling & Retention",
            severity=Severity.HIGH,
            owner="privacy",
            basis=Basis.INSPECTED,
            reason="retention.nothing_is_older_than_its_period: search index: the target describes no search index",
        ),
        claim(
            Status.INCONCLUSIVE,
            id="retention-header",
            statement="Message log retention: 90 days, configurable per workspace",
            section="Data Handling & Retention",
            severity=Severity.MEDIUM,
            reason="decided by retention-90-days, which is inconclusive",
            checks=(),
            decided_by=("retention-90-days", "retention-configurable"),
        ),
        *(
            claim(
                Status.UNCOVERED,
                id=f"incident-{name}",
                statement=text,
                section="Incident Response",
                severity=Severity.MEDIUM,
            )
            for name, text in (
                (
                    "notice",
                    "Affected customers are notified as soon as reasonably practicable and no later than required by POPIA",
                ),
                ("reviews", "Post-incident reviews are conducted to prevent recurrence"),
            )
        ),
        sentences_without_promise=(
            ("For full details on data collection and use, see our Privacy Policy.", "points to another document"),
        ),
        overrides=(
            Override(
                "targets/staging.policies.yaml",
                "transit-tls12",
                "tls.refuses_old_versions",
                "minimum",
                "TLS 1.2",
                "TLS 1.3",
            ),
        ),
        waivers=(waiver,),
    )


def hostile(text: str) -> Run:
    """A run in which everything that can come from outside says `text`."""
    look = observation(value={"body": text, text: [text]}, arguments={"path": text}, vantage=text)
    refused = observation(2, reason=text)
    bad = finding(Verdict.FAIL, text, expected=text, observed=text, observations=("k.1", "k.2"))
    unseen = finding(Verdict.INCONCLUSIVE, text, expected=text, reason=text)
    good = finding(Verdict.PASS, text, expected=text, observed=text)
    result = check(
        Verdict.FAIL,
        bad,
        unseen,
        good,
        reason=text,
        parameters={"word": text},
        observations=(look, refused),
        population=Population(4, 2, ((text, text),)),
        sabotages_caught=(text,),
    )
    waiver = Waiver("transit-tls12", text, text, text, text, text)
    return run(
        claim(
            Status.REFUTED, result, statement=text, section=text, owner=text, reason=text, note=text, waivers=(waiver,)
        ),
        claim(Status.INCONCLUSIVE, id=text, section=text, reason=text, references={text: (text,)}, decided_by=(text,)),
        claim(Status.UNCOVERED, id="other", section=text, note=text),
        target=TargetSummary(text, text, text, text, text, (text,), (text,)),
        policy=text,
        versions={text: text},
        sentences_without_promise=((text, text),),
        overrides=(Override(text, text, text, text, text, text),),
        waivers=(waiver,),
        selected=(text,),
        notes=(text,),
    )
