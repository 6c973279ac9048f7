"""Credentials stay out of logs and out of answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from upheld import OBSERVED, Finding, LeftOut, NotObserved, Unobservable, check
from upheld.probes.canaries import Canaries, FlowRun
from upheld.probes.clock import Clock
from upheld.probes.logs import Hit, LogMark, Logs, LogsSearched

PATHS = ("success", "validation error", "upstream error", "crash")
"""What a secret can meet on its way in; each of them logs in another place."""
POLL_SECONDS = 0.2
"""Seconds between two looks at whether the logs have caught up."""


@check(basis=OBSERVED, intrusive=True)
def canaries_stay_out_of_logs(
    canaries: Canaries, logs: Logs, clock: Clock, *, flush_seconds: float = 10.0
) -> Iterator[Finding | NotObserved | LeftOut]:
    """A secret that enters the system turns up in no log and in no answer, whether the request succeeds or fails.

    Decides: whether secrets that customers hand over are written to logs or given back, on the way of success and on the
    three ways of failure: a refused request, a failing upstream service, and a crash.

    How: sends a fresh canary through each flow that the target declares, and then searches every file of every declared log, rotated
    and compressed ones too, and every answer: for the canary as it is, in other letter case, base64 at each alignment, hexadecimal,
    URL-encoded, JSON- and HTML-escaped, as character escapes, in UTF-16, split by colour codes or line wraps, and for half of it.
    That the logs can show anything is proven by a harmless marker in a request, which they must hold.

    Refuted by: a canary in a log or in an answer. Masked values are no leaks.

    Cannot see: logs that the target does not declare, and log levels that the deployment does not run at.

    References: OWASP Logging Cheat Sheet, "Data to exclude"; CWE-532.
    """
    before = logs.mark()
    runs: list[FlowRun] = []
    names: dict[str, str] = {}
    seen: set[str] = set()
    for flow in canaries.flows():
        try:
            run = canaries.run(flow)
        except Unobservable as unobservable:
            yield NotObserved(f"flow {flow}", unobservable.reason)
            continue
        runs.append(run)
        names[run.canary.placeholder] = f"canary of the flow {flow}"
        if run.status in flow.statuses:
            seen.add(flow.path)
        else:
            wanted = " or ".join(map(str, flow.statuses))
            yield NotObserved(
                f"flow {flow}", f"it answered {run.status}; only {wanted} shows that it went the way of {flow.path}"
            )
        shown = (
            f"the answer ({run.status}) holds it: {'; '.join(run.shown)}"
            if run.shown
            else f"answered {run.status} without it"
        )
        yield Finding(
            f"answer of the flow {flow}", not run.shown, "the answer does not hold the canary", shown, seen=(run,)
        )
    for path in PATHS:
        if path not in seen:
            yield NotObserved(
                f"the way of {path}", "no flow went it, so nothing shows that secrets stay out of the logs there"
            )
    if runs:
        yield from _in_logs(canaries, logs, clock, names, before, len(runs), flush_seconds)


@check(basis=OBSERVED, intrusive=True)
def session_tokens_stay_out_of_logs(
    canaries: Canaries, logs: Logs, clock: Clock, *, flush_seconds: float = 10.0
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Passwords and session tokens that were used in ordinary requests turn up in no log.

    Decides: whether the credentials with which people and programs use the system are written to logs.

    How: logs in anew as an identity of each tenant, makes requests with its token that succeed and that fail, one with a made-up token
    and a login of a throw-away identity with a made-up password (it counts as a failed one, which is why it needs leave in
    production), and then searches every declared log for all of these as `canaries_stay_out_of_logs` does. Of
    a JSON web token the signature counts, for without it the rest opens nothing.

    Refuted by: a token or a password in a log.

    Cannot see: logs that the target does not declare, and kinds of login that no declared identity uses.

    References: OWASP Logging Cheat Sheet, "Data to exclude"; CWE-532.
    """
    before = logs.mark()
    used = canaries.use_sessions()
    names = {one.placeholder: one.what for one in used}
    if "made-up password" not in names.values():
        yield LeftOut(
            "a login that fails", "the target offers no throw-away identity for which a made-up password could be sent"
        )
    yield from _in_logs(canaries, logs, clock, names, before, len(used), flush_seconds)


def _in_logs(
    canaries: Canaries,
    logs: Logs,
    clock: Clock,
    names: Mapping[str, str],
    before: LogMark,
    requests: int,
    flush_seconds: float,
) -> Iterator[Finding | NotObserved | LeftOut]:
    """Judge every log source, once the logs have shown that they record the harness's requests."""
    control = _control(canaries, logs, clock, before, requests, flush_seconds)
    expected = f"none of {len(names)} secrets in any spelling"
    searched = logs.search(tuple(names))
    for one in searched.unread:
        yield NotObserved(
            f"log {one.source}" + (f", {one.name}" if one.name else ""), one.reason, expected, seen=(searched,)
        )
    for source in searched.sources:
        files = [file for file in searched.files if file.source == source]
        hits = [hit for hit in searched.hits if hit.source == source]
        subject, size, lines = f"log {source}", sum(file.bytes for file in files), sum(file.lines for file in files)
        if hits:
            yield Finding(subject, False, expected, _leak(hits, searched, names))
        elif not files:
            continue  # It is among the unread.
        elif not size:
            yield LeftOut(subject, "it is empty: nothing was logged there")
        elif control:
            yield NotObserved(subject, control, expected)
        else:
            yield Finding(subject, True, expected, f"none in {len(files)} files, {lines} lines, {size} bytes")


def _control(canaries: Canaries, logs: Logs, clock: Clock, before: LogMark, requests: int, flush_seconds: float) -> str:
    """Wait until the logs show the harness's own requests; gives the reason why nothing is earned when they do not."""
    try:
        marker = canaries.leave_marker()
        waited = 0.0
        while True:
            evidence = logs.contains(marker.text, since=before)
            if evidence.found:
                return ""
            if waited >= flush_seconds:
                break
            waited += clock.wait(POLL_SECONDS)
        grown = logs.lines_since(before)
    except Unobservable as unobservable:
        return f"whether the logs record requests could not be seen: {unobservable.reason}"
    if grown > requests:
        return ""
    return "the logs show none of the harness's own requests, so that a secret is not in them proves nothing"


def _leak(hits: list[Hit], searched: LogsSearched, names: Mapping[str, str]) -> str:
    shown = [
        f"{names.get(hit.secret, 'secret')} in {hit.file}, line {hit.line} ({hit.encoding}): {hit.excerpt}"
        for hit in hits[:3]
    ]
    more = f"; {searched.hit_count} places in all logs" if searched.hit_count > len(shown) else ""
    return "; ".join(shown) + more
