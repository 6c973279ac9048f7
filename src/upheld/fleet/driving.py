"""A fleet's run: targets are given to workers as the limits allow, what comes back is kept at once, what is lost is tried again.

Whatever happens, every target of the fleet is in the account at the end, and one that was not audited to its end is `not observed` with
the reason. An attempt is bound to one worker and holds a ticket that lets it start once; the controller takes the ticket back before it
tries again, and waits until the lease of whoever may still have it has run out.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from upheld.errors import UpheldError
from upheld.fleet.account import Folder
from upheld.fleet.admitting import Admission, Admitting
from upheld.fleet.book import Book, Told
from upheld.fleet.jobs import Job, Outcome
from upheld.fleet.leases import EVERY, Beats, Heart, Lost
from upheld.fleet.members import Fleet, Member
from upheld.fleet.packing import pack
from upheld.fleet.placing import SchedulerLost, Workers
from upheld.fleet.shares import counted, leases_of, limit_of, share_of, wanted
from upheld.fleet.state import RAN, Attempt, FleetRun, Journal, Standing
from upheld.fleet.taking import NotTaken, Taking, digest_of
from upheld.fleet.terms import Over, Terms, Under
from upheld.model import timestamp

if TYPE_CHECKING:
    from distributed import Client

    from upheld.ledger import Ledger

CarryOut = Callable[[Job, Beats], Outcome]
"""What a worker does with a job."""
Say = Callable[[str], None]
_PAUSE = 0.25


def drive(
    fleet: Fleet,
    client: Client,
    out: Path,
    ledger: Ledger | None = None,
    *,
    resume: bool = False,
    terms: Terms | None = None,
    carry_out: CarryOut | None = None,
    stop: threading.Event | None = None,
    told: Told | None = None,
    say: Say = lambda _: None,
) -> FleetRun:
    """Audit the targets of `fleet` on the cluster of `client`, and write all that comes of it to `out`; gives the account.

    With `resume` what ran before in `out` is taken over. `stop` ends the run in order. `carry_out` is what a worker does with a job. Raises
    InputError where nothing was started because something is wrong, NoCluster where the cluster cannot be used.
    """
    from upheld.fleet import carrying  # noqa: PLC0415  (which a caller may replace)

    terms, stop = terms or Terms(), stop or threading.Event()
    workers = Workers(client, say)
    with ExitStack() as stack:
        folder = stack.enter_context(Folder(out, fleet, resume=resume))
        workers.await_first(terms.patience_first, stop.is_set)
        journal = stack.enter_context(folder.begin())
        taking = Taking(out, ledger, journal, say)
        book = Book(fleet, folder, taking, told)
        return _Driving(
            fleet, client, workers, terms, carry_out or carrying.carry_out, stop, say, folder, journal, taking, book
        ).run()


class _Driving:
    def __init__(
        self,
        fleet: Fleet,
        client: Client,
        workers: Workers,
        terms: Terms,
        carry_out: CarryOut,
        stop: threading.Event,
        say: Say,
        folder: Folder,
        journal: Journal,
        taking: Taking,
        book: Book,
    ) -> None:
        self._fleet, self._client, self._workers, self._terms = fleet, client, workers, terms
        self._carry_out, self._stop, self._say = carry_out, stop, say
        self._folder, self._journal, self._taking, self._book = folder, journal, taking, book
        self._under: dict[str, Under] = {}
        self._untold: list[tuple[Under, bool]] = []
        """Attempts that were lost, of which the workers do not know yet that they were; whether each is to be tried again."""
        self._tried: dict[str, int] = {}
        """Attempts at each target in this part of the run."""

    def run(self) -> FleetRun:
        """Drive the fleet to its end, or to its stop, and write the account."""
        before = self._folder.standing
        if before is not None:
            self._book.take_over(before, self._digest, self._say)
        self._book.account(complete=False)
        self._admitting = self._admission(before)
        over: Over | None = None
        try:
            name, every = f"{self._folder.run}-{secrets.token_hex(4)}", min(EVERY, self._terms.lease / 5)
            with Heart(self._client, name, every) as self._heart:
                over = self._driven()
        except Lost as error:  # Before anything was given to anybody.
            over = _lost_scheduler(error)
        if over is not None:
            self._book.notes.append(f"{over.reason}; --resume goes on from here")
            self._book.faults += over.fault
            for one in self._book.open():
                when = "while it was audited" if one.name in self._under else "before it was audited"
                self._book.not_observed(one.name, f"{over.reason} {when}")
        made = self._book.account(complete=over is None)
        self._folder.report(made)
        return made

    def _driven(self) -> Over | None:
        """Drive it, and give why it did not come to its end; None where it did."""
        from distributed import as_completed  # noqa: PLC0415  (only where there is a cluster)

        self._collecting: Any = as_completed(loop=self._client.loop, with_results=True, raise_errors=False)
        try:
            while self._go_on():
                self._wait()
        except Over as over:
            if over.reached:
                self._recall(over)
            return over
        return None

    # --- before ------------------------------------------------------------------------------------------------------

    def _admission(self, before: Standing | None) -> Admitting:
        # When the controller before this one was last heard by its workers is not known: at the latest, just now.
        until = time.monotonic() + self._terms.quarantine
        still = before.open if before is not None else {}
        return Admitting(
            [wanted(one, until if one.name in still else 0.0) for one in self._book.open()],
            limit_of(self._fleet.limits),
            quarantine=self._terms.quarantine,
            spent=before.spent if before is not None else {},
            resting={host: until for hosts in still.values() for host in hosts},
        )

    def _digest(self, member: Member) -> str:
        try:
            return digest_of(self._job(member, 0, {}))
        except (UpheldError, OSError):  # It is audited again, and what is wrong is said then.
            return ""

    def _job(self, member: Member, number: int, share: Mapping[str, Any]) -> Job:
        """The job without its ticket, which is made when nothing can go wrong any more."""
        return pack(
            member,
            number,
            share,
            fleet=self._folder.run,
            ticket="",
            processes=self._terms.processes,
            lease=self._terms.lease,
            time_limit=self._terms.time_limit,
        )

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _go_on(self) -> bool:
        """Do what is to be done at this moment; False where nothing is left."""
        self._take_what_came()
        self._look_after_workers()
        self._take_back()
        for name, reason in self._admitting.hopeless():
            self._book.not_observed(name, reason)
        if not self._admitting.waiting and not self._under and not self._untold:
            return False
        if self._stop.is_set():
            raise Over("the fleet's run was stopped", fault=False)
        self._start_some()
        return True

    def _wait(self) -> None:
        now = time.monotonic()
        change = self._admitting.next_change(now)
        condition = self._collecting.thread_condition
        with condition:
            if not self._collecting.has_ready():
                condition.wait(_PAUSE if change is None else min(_PAUSE, change - now))

    def _look_after_workers(self) -> None:
        try:
            gone = self._workers.look()
        except SchedulerLost as error:
            raise _lost_scheduler(error) from error
        now = time.monotonic()
        for one in list(self._under.values()):
            if one.worker in gone:
                self._lost(one, "its worker is gone")
            elif now - one.since > self._terms.longest:
                self._lost(one, "nothing was heard of it long after its time limit")
        since = self._workers.none_since
        if since is not None and now - since > self._terms.patience:
            raise Over(f"there was no worker for {self._terms.patience:g} s", fault=False)

    def _unanswered(self, error: Exception) -> None:
        try:
            self._workers.unanswered(error)
        except SchedulerLost as lost:
            raise _lost_scheduler(lost) from error

    def _start_some(self) -> None:
        free = self._workers.room(one.worker for one in self._under.values())
        if self._fleet.at_once is not None:
            free = min(free, self._fleet.at_once - len(self._under))
        for admitted in self._admitting.admit(time.monotonic(), free):
            self._start(admitted)

    def _start(self, admitted: Admission) -> None:
        member = self._book.members[admitted.name]
        worker = self._workers.best(one.worker for one in self._under.values()) or ""
        number = self._book.next_number(member.name)
        try:
            job = self._job(member, number, share_of(admitted.shares, self._fleet.limits))
        except (UpheldError, OSError) as error:  # It was all there when the fleet was read.
            self._admitting.ended(member.name, {}, time.monotonic())
            self._book.not_observed(member.name, f"what it needs cannot be put together: {error}")
            return
        try:
            ticket, now = self._heart.issue(), datetime.now(UTC)
        except Lost as error:
            self._admitting.ended(member.name, {}, time.monotonic(), again=True)
            self._unanswered(error)
            return
        self._journal.started(member.name, number, worker, timestamp(now), leases_of(admitted.shares))
        key = f"upheld-{member.name}-{number}-{ticket[-8:]}"
        given = (self._carry_out, replace(job, ticket=ticket), self._heart.beats)
        try:
            future = self._client.submit(*given, key=key, workers=[worker], pure=False, retries=0)
        except Exception as error:  # What Dask raises where the connection has just gone; the attempt has no known end.
            raise _lost_scheduler(error) from error
        self._tried[member.name] = self._tried.get(member.name, 0) + 1
        self._under[member.name] = Under(
            member, number, ticket, worker, future, admitted, digest_of(job), now, time.monotonic()
        )
        self._collecting.add(future)

    # --- what comes back ---------------------------------------------------------------------------------------------

    def _take_what_came(self) -> None:
        while self._collecting.has_ready():
            future, result = next(self._collecting)
            one = next((one for one in self._under.values() if one.future.key == future.key), None)
            if one is None or self._client.status != "running":
                continue  # It was given up before: whatever it says now comes too late to be counted on.
            future.release()
            if isinstance(result, Outcome):
                self._outcome(one, result)
            elif isinstance(result, BaseException):
                self._lost(one, f"the cluster gave it up: {result}")
            else:  # The task itself raised: upheld is not to be used on that worker, or is at fault.
                error = result[1]
                self._failed(one, None, f"the worker failed: {type(error).__name__}: {error}", 4)

    def _outcome(self, one: Under, outcome: Outcome) -> None:
        if (outcome.member, outcome.attempt) != (one.member.name, one.number):
            self._failed(one, None, f"the worker answered for {outcome.member}, attempt {outcome.attempt}", 4)
        elif outcome.kind == "ran":
            try:
                run, code = self._taking.whole(outcome)
            except NotTaken as error:
                self._failed(one, replace(outcome, archive=b""), str(error), 4)
                return
            if not run.complete:
                self._failed(one, outcome, "its audit did not come to its end: some of its checks did not report", None)
                return
            sent = self._close(one, outcome, RAN, (one.digest, run.id, code))
            self._admitting.ended(one.member.name, sent, time.monotonic())
            self._taking.record(one.member.name, run)
            self._book.ran(one.member.name, run, code, outcome.seconds)
        elif outcome.kind == "lost":
            self._lost(one, outcome.reason, outcome)
        elif outcome.kind == "stopped":
            self._stopped(one, outcome)
        else:
            self._failed(one, outcome, outcome.reason, 4 if outcome.code == 4 else None)

    def _failed(self, one: Under, outcome: Outcome | None, reason: str, code: int | None) -> None:
        """It did not come to its end, and would not the next time: what stands of it is kept, and is no verdict."""
        name = one.member.name
        rest = self._taking.rest(outcome) if outcome is not None else None
        sent = self._close(one, outcome, reason)
        self._admitting.ended(name, sent, time.monotonic())
        if rest is not None:
            self._taking.record(name, rest)
        self._book.not_observed(name, reason, rest, code)

    def _stopped(self, one: Under, outcome: Outcome) -> None:
        """It was ended on the way, and nothing of it sends any more; where nobody wanted that it is tried again."""
        if self._stop.is_set():
            self._failed(one, outcome, outcome.reason, None)
            return
        again = self._again(one)
        sent = self._close(one, outcome, outcome.reason)
        self._admitting.ended(one.member.name, sent, time.monotonic(), again=again)
        self._tell(one, outcome.reason, again=again)

    def _lost(self, one: Under, reason: str, outcome: Outcome | None = None) -> None:
        """Nothing is known of it any more: its ticket is taken back, and it is tried again once nobody can still act on it."""
        again = self._again(one)
        self._close(one, outcome, reason, lost=True)
        self._untold.append((one, again))
        one.future.release()  # Which cancels what nobody else waits for, and waits for no answer.
        self._take_back()
        self._tell(one, reason, again=again)

    def _take_back(self) -> None:
        """Tell the workers which attempts were lost: only from then on it is known how long whoever has one may go on."""
        while self._untold:
            one, again = self._untold[0]
            try:
                self._heart.revoke(one.ticket)
            except Lost as error:
                self._unanswered(error)
                return
            self._untold.pop(0)
            self._admitting.lost(one.member.name, time.monotonic(), again=again)

    def _again(self, one: Under) -> bool:
        return self._tried[one.member.name] < self._terms.attempts

    def _tell(self, one: Under, reason: str, *, again: bool) -> None:
        name, count = one.member.name, self._tried[one.member.name]
        if again:
            self._say(f"{name}: {reason}; it is tried again")
        else:
            self._book.not_observed(name, f"{reason} ({count} attempts)" if count > 1 else reason)

    def _close(
        self,
        one: Under,
        outcome: Outcome | None,
        how: str,
        ran: tuple[str, str, int] | None = None,
        *,
        lost: bool = False,
    ) -> Mapping[str, int]:
        """Note that an attempt is over; gives what counts as sent of its share."""
        name = one.member.name
        del self._under[name]
        known = outcome is not None and outcome.sent_known and not lost
        sent = counted(one.admission.shares, outcome.sent if outcome is not None and known else None)
        if outcome is not None:
            made = Attempt(outcome.worker, outcome.host, outcome.started, outcome.seconds, how)
        else:
            made = Attempt(one.worker, "", timestamp(one.started), round(time.monotonic() - one.since, 3), how)
        self._book.attempted(name, made)
        self._journal.ended(name, one.number, made, sent, ran, lost=lost)
        if not lost:
            self._heart.retire(one.ticket)
        return sent

    def _recall(self, over: Over) -> None:
        """Take back what is under way, and wait for its end, which the workers bring about at once; what ran to its end meanwhile counts."""
        if not self._under:
            return
        self._stop.set()
        self._say(f"{over.reason}: what is under way undoes what it planted, and ends")
        try:
            *others, last = self._under.values()
            for one in others:
                self._heart.retire(one.ticket)
            self._heart.revoke(last.ticket)
            until = time.monotonic() + self._terms.quarantine
            while self._under and time.monotonic() < until:
                self._take_what_came()
                self._look_after_workers()
                self._wait()
        except (Lost, Over):
            self._say(
                f"{over.reason}; workers that could not be told stop by themselves within {self._terms.lease:g} s"
            )


def _lost_scheduler(error: Exception) -> Over:
    return Over(f"the scheduler was lost ({error})", fault=True, reached=False)
