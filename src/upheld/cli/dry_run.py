"""`upheld run --dry-run`: every class of requests that the run would send, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.dry_run import Foreseen, Sent, foresee
from upheld.errors import InputError, Mistake
from upheld.probes.http_client import agent
from upheld.probes.scope import Scope
from upheld.reporting.text import safe
from upheld.target.load import load_target

if TYPE_CHECKING:
    from upheld.plugin.audit import Audit
    from upheld.target.manners import HostLimit
    from upheld.target.model import Target


def lines(audit: Audit) -> Iterator[str]:
    """What a run of this audit would send, line by line. Raises InputError when the target is wrong, or is no file."""
    file = audit.source.file if audit.source else None
    if file is None:
        message = "an installed target is known once it is started, which a dry run does not do"
        raise InputError([Mistake("--dry-run", 0, 0, message, expected="--target FILE")])
    target, _ = load_target(file, [one.id for one in audit.catalogue])
    found = foresee(audit.plan, audit.catalogue, target, file.resolve().parent)
    yield f"dry run: nothing is sent. {len(found)} checks, against {target.name} ({target.environment.value})"
    yield from _manners(target, file)
    for one in found:
        yield from _check(one)
    refused = sum(bool(one.refused) for one in found)
    silent = sum(not one.refused and not one.sent for one in found)
    yield ""
    yield (
        f"{len(found) - refused - silent} checks would send something, {silent} nothing, {refused} would not run; {_intrusive(found)}"
    )


def _manners(target: Target, file: Path) -> Iterator[str]:
    scope = Scope(target)
    yield f"  HTTP and TLS go to: {', '.join(scope.describe(*place) for place in scope) or 'nowhere'}"
    yield f"  User-Agent: {agent(target.contact)}"
    if target.limits is None:
        yield "  limits: none, so that only what each look needs bounds it (limits)"
    else:
        yield f"  limits of each host: {_limit(target.limits)}"
        for name, limit in target.limits.hosts.items():
            yield f"  limits of {name}: {_limit(limit)}"
    where = (target.api.openapi if target.api else None) or ""
    if where.startswith(("/", "http://", "https://")):
        yield f"  the operations are those of {where}; let api.openapi name a file beside {file.name} to see each by its path"


def _limit(limit: HostLimit) -> str:
    number = f"{limit.requests:,} requests in a run" if limit.requests else "any number of requests"
    rate = f"{limit.per_second:g} in a second, {limit.burst} at once" if limit.per_second else "as fast as they go"
    return f"{number}, {rate}"


def _check(one: Foreseen) -> Iterator[str]:
    marks = ["intrusive"] * one.planned.intrusive + ["exclusive"] * one.planned.exclusive
    marks += ["undisturbed"] * one.planned.undisturbed
    shown = f" ({', '.join(marks)})" if marks else ""
    yield ""
    yield f"{one.planned.claim}  {one.planned.check}{shown}"
    if one.refused:
        yield f"  would not run: {one.refused}"
    elif not one.sent:
        yield "  sends nothing"
    for sent in one.sent:
        yield f"  {safe(_class(sent))}"


def _class(sent: Sent) -> str:
    most = "" if sent.most is None else f"; at most {sent.most} for each look"
    return f"{sent.does:<8}{sent.by:<12}  {sent.what}; as {sent.whom}{most}"


def _intrusive(found: tuple[Foreseen, ...]) -> str:
    names = dict.fromkeys(one.planned.check for one in found if one.planned.intrusive and not one.refused)
    return f"{len(names)} of them are intrusive" if names else "none is intrusive"
