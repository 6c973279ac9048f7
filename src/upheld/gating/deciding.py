"""One run of the gate: what can be taken over is, the rest is looked at, and the outcome says what counts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from upheld.caching import Cache, engine_mark
from upheld.errors import InputError, Mistake
from upheld.evidence import inputs as kept_inputs
from upheld.execution import not_applicable, unfinished
from upheld.gating.baseline import Baseline
from upheld.gating.checkout import Checkout
from upheld.gating.inputs import Inputs, Touched
from upheld.gating.outcome import Outcome, judged
from upheld.gating.ratchet import Ratchet
from upheld.gating.reuse import Base, Remembered, Taken, spelled
from upheld.model import CheckResult, PlannedCheck, Run, Verdict
from upheld.plugin.audit import Audit
from upheld.plugin.brief import Workshop
from upheld.probes.snapshot import Snapshot
from upheld.reporting.headline import several
from upheld.running import assemble, versions
from upheld.target.load import load_target
from upheld.target.model import Target

MOST_AGAIN = 20
"""Refuted checks that are asked once more, to see whether they say the same."""
Engine = Callable[[Audit], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the gate was asked for."""

    since: str = ""
    base: Run | None = None
    baseline: Baseline | None = None
    max_age: timedelta = timedelta(days=7)
    cache: Path | None = None
    cache_key: bytes = b""


@dataclass(slots=True)
class _Change:
    """The change as it lies in the working copy."""

    target: Target
    digest: str
    folder: Path
    checkout: Checkout | None = None
    snapshot: Snapshot | None = None
    commit: str = ""
    notes: list[str] = field(default_factory=list)


def decide(audit: Audit, wanted: Wanted, engine: Engine) -> Outcome:
    """Run the gate over an audit that has not begun; `engine` runs what is pending and looks at more than files.

    Raises InputError when the target's description, the base or the baseline is wrong.
    """
    change = _change(audit, wanted)
    notes = list(change.notes) if change else []
    cache = _cache(wanted)
    if cache is not None:
        audit.cache = (str(cache.folder), wanted.cache_key.hex())
    taken, remembered = (Taken(), None) if change is None else _taken(audit, change, wanted, cache, notes)
    audit.take_over(taken.results)
    audit.take_over(not_applicable(one) for one in audit.pending if one.not_applicable)
    unreached = _look(audit, change, engine, notes)
    flaky = _asked_again(audit, notes)
    if remembered is not None:
        for planned in audit.plan:
            if (result := audit.results.get(planned.key)) is not None:
                remembered.keep(planned, result)
    if cache is not None:
        notes += [f"Ignored in the cache: {one}." for one in dict.fromkeys(cache.ignored)]
        notes += [f"The cache is not kept: {cache.fault}."] if cache.fault else []
    if wanted.baseline is not None and wanted.baseline.note:
        notes.append(wanted.baseline.note)
    audit.notes = tuple(notes)
    run = assemble(audit)
    ratchet = _ratchet(wanted.baseline, run, change)
    broken, undecided = judged(
        run,
        ratchet=ratchet,
        accept_attested={claim.id for claim in audit.policy.claims if claim.accept_attested},
        unreached=unreached,
        flaky=flaky,
    )
    return Outcome(
        run=run,
        broken=broken,
        undecided=undecided,
        looked=len(audit.plan) - len(taken.results),
        cached=len(taken.cached),
        carried=len(taken.carried),
        since=change.commit if change else "",
        baseline=wanted.baseline.id if wanted.baseline else "",
    )


def _change(audit: Audit, wanted: Wanted) -> _Change | None:
    """The change in the working copy; None where the target is none that a file describes."""
    if audit.source is None or audit.source.file is None:
        if wanted.since or wanted.base or wanted.cache:
            message = "what stands for a change is known for a target that a file describes"
            raise InputError([Mistake("--target", 0, 0, message, expected="--target FILE")])
        return None
    target, digest = load_target(audit.source.file)
    change = _Change(target, digest, audit.source.file.resolve().parent)
    if target.repository is not None:
        change.checkout = Checkout.at(change.folder / target.repository.path)
    if change.checkout is None:
        if wanted.since:
            message = "the target names no working copy (repository.path) in which a change could be"
            raise InputError([Mistake("--since", 0, 0, message)])
        change.notes.append("The target names no working copy: files are judged as they are at the audited branch.")
        return change
    change.commit = change.checkout.commit(wanted.since) if wanted.since else ""
    change.snapshot = change.checkout.snapshot(audit.scratch / "change")
    audit.snapshot = change.snapshot
    if count := change.checkout.unknown():
        what = "file lies" if count == 1 else "files lie"
        change.notes.append(f"{count} {what} there that git does not know (git add), and was not looked at.")
    return change


def _cache(wanted: Wanted) -> Cache | None:
    return Cache(wanted.cache, wanted.cache_key, {"engine": engine_mark()}) if wanted.cache is not None else None


def _taken(
    audit: Audit, change: _Change, wanted: Wanted, cache: Cache | None, notes: list[str]
) -> tuple[Taken, Remembered | None]:
    remembered = None
    if cache is not None and change.checkout is not None and change.snapshot is not None:
        description = hashlib.sha256(kept_inputs.described(change.target)).hexdigest()
        remembered = Remembered(cache, Inputs(change.checkout.files(change.snapshot), change.target), description)
    base, touched = _base(change, wanted, audit, notes)
    known = versions() if base is not None else {}
    cached: list[CheckResult] = []
    carried: list[CheckResult] = []
    refused: dict[str, str] = {}
    for planned in audit.plan:
        if planned.not_applicable:
            continue
        found = remembered.find(planned) if remembered is not None else None
        if found is not None:
            cached.append(found)
        elif base is not None and touched is not None:
            result = base.carry(planned, touched, known, audit.policy.digest)
            if isinstance(result, str):
                refused[planned.key] = result
            else:
                carried.append(result)
    if carried and base is not None:
        oldest = spelled(max(datetime.now(UTC) - datetime.fromisoformat(one.started) for one in carried))
        text = f"{several(len(carried), 'result')} carried from run {base.run.id[:8]} of {base.run.started}"
        notes.append(f"{text}; the oldest is {oldest} old.")
    if cached:
        notes.append(f"{several(len(cached), 'result')} taken from the cache: the same inputs gave them.")
    taken = Taken(tuple(cached), tuple(carried), refused)
    notes += [f"Not carried, {several(count, 'check')}: {reason}." for reason, count in taken.reasons.most_common(5)]
    return taken, remembered


def _base(change: _Change, wanted: Wanted, audit: Audit, notes: list[str]) -> tuple[Base, Touched] | tuple[None, None]:
    """The base run and what the change touches of it; nothing where nothing is to be carried, which is said."""
    if wanted.base is None:
        return None, None
    base = Base(wanted.base, datetime.now(UTC), wanted.max_age)
    fault = base.fault(change.target, str(audit.source.file) if audit.source else "", change.digest, versions())
    tree = wanted.base.target.tree
    if not fault and (change.checkout is None or change.snapshot is None):
        fault = "there is no working copy to compare with it"
    elif not fault and not tree:
        fault = "it does not say of which files it is"
    elif not fault and not _has(change, tree):
        fault = "this clone does not have the files that it was made of (fetch more of the history)"
    if fault or change.checkout is None or change.snapshot is None:
        notes.append(f"Nothing is carried from the base run: {fault}.")
        return None, None
    changed = change.checkout.changed(tree, change.snapshot)
    if change.commit:
        # What the change itself touches counts, also where the base run had it already.
        own = change.checkout.changed(change.checkout.tree_of(change.commit), change.snapshot)
        changed = type(changed)(changed.paths | own.paths, changed.come_or_gone | own.come_or_gone)
    root = change.checkout.folder.resolve()
    return base, Touched(changed, change.target, change.folder, root, audit.policy.deployed_from)


def _look(audit: Audit, change: _Change | None, engine: Engine, notes: list[str]) -> set[str]:
    """Look at what is left; gives the keys of the checks that could not because the target was not reached."""
    if not audit.pending:
        with suppress(InputError):
            audit.start_target()
        audit.reconcile("nothing was left to look at")
        return set()
    from upheld.gating.reaching import live, through_endpoints, unreached  # noqa: PLC0415  (only where something is looked at)

    catalogue = audit.catalogue
    lost: set[str] = set()
    waiting = [one for one in audit.pending if through_endpoints(catalogue[one.check])]
    if waiting and change is not None and (found := unreached(change.target, audit.scratch)):
        notes += [f"{one}." for one in found]
        audit.take_over(unfinished(one, f"the target was not reached: {found[0]}") for one in waiting)
        lost = {one.key for one in waiting}
    if any(live(catalogue[one.check]) for one in audit.pending):
        engine(audit)
        return lost
    audit.start_target()
    workshop = audit.workshop()
    try:
        for planned in audit.pending:
            workshop.run(planned)
    finally:
        workshop.close()
    audit.reconcile("planned, and never reported")
    return lost


def _asked_again(audit: Audit, notes: list[str]) -> set[str]:
    """Ask refuted checks once more that look at what may answer differently; gives the keys of those that then did not fail.

    What was found stays found: no second answer makes a check pass.
    """
    again = [one for one in audit.plan if _may_be_flaky(audit, one)]
    if not again:
        return set()
    flaky: set[str] = set()
    workshop = Workshop(tuple(again), lambda: audit.brief, audit.ground, catalogue=audit.catalogue)
    try:
        for planned in again[:MOST_AGAIN]:
            result = workshop.run(planned)
            if result.verdict is not Verdict.FAIL:
                flaky.add(planned.key)
                said = f"{planned.claim} {planned.check} is flaky: it failed, and was {result.verdict.value}"
                notes.append(f"{said} when it was asked once more. It counts as failed.")
    finally:
        workshop.close()
    if len(again) > MOST_AGAIN:
        notes.append(f"{several(len(again) - MOST_AGAIN, 'refuted check')} not asked once more.")
    return flaky


def _may_be_flaky(audit: Audit, planned: PlannedCheck) -> bool:
    result = audit.results.get(planned.key)
    if result is None or result.verdict is not Verdict.FAIL or result.origin or planned.intrusive or planned.exclusive:
        return False
    from upheld.gating.reaching import live  # noqa: PLC0415  (only where something was refuted)

    return live(audit.catalogue[planned.check])


def _ratchet(baseline: Baseline | None, run: Run, change: _Change | None) -> Ratchet | None:
    if baseline is None:
        return None
    if (baseline.policy, baseline.target, baseline.environment) != (
        run.policy,
        run.target.name,
        run.target.environment,
    ):
        got = f"{baseline.policy}, {baseline.target} ({baseline.environment})"
        expected = f"{run.policy}, {run.target.name} ({run.target.environment})"
        raise InputError([Mistake("--baseline", 0, 0, "is of something else", got, expected)])
    moves = None
    tree = baseline.tree
    if change is not None and change.checkout is not None and change.snapshot is not None and _has(change, tree):
        moves = change.checkout.moves(tree, change.snapshot)
    return Ratchet(baseline, moves)


def _has(change: _Change, tree: str) -> bool:
    both = change.checkout is not None and change.snapshot is not None
    return both and bool(tree) and change.checkout.has(tree, change.snapshot)  # type: ignore[union-attr, arg-type]
