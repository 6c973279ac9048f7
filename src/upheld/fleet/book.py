"""What is known of each target while a fleet is driven: its attempts, and what it came to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from upheld.fleet.account import Folder, relative
from upheld.fleet.members import Fleet, Member
from upheld.fleet.state import NOT_OBSERVED, RAN, Attempt, FleetRun, MemberRun, Standing
from upheld.fleet.taking import NotTaken, Taking
from upheld.model import Run

Told = Callable[[MemberRun, Run | None, int, int], None]
"""Called for each target that is through: what it came to, its run where there is one, how many are through, of how many."""


class Book:
    """Every target of the fleet is in it from the start, as one that was not observed."""

    def __init__(self, fleet: Fleet, folder: Folder, taking: Taking, told: Told | None) -> None:
        self.members = {one.name: one for one in fleet.members}
        self.notes: list[str] = []
        self.faults = 0
        self._fleet, self._folder, self._taking, self._told = fleet, folder, taking, told
        self._through: dict[str, MemberRun] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._began = time.monotonic()

    def take_over(self, before: Standing, digest: Callable[[Member], str], say: Callable[[str], None]) -> None:
        """Take what ran before the run was stopped, where it would be audited now with the very same; `digest` says with what."""
        for name, made in before.attempts.items():
            self._attempts[name] = list(made)
        for name, ended in before.ran.items():
            member = self.members.get(name)
            if member is None:
                continue
            if digest(member) != ended.digest:
                say(f"{name} ran before, with other files than it has now: it is audited again")
                continue
            try:
                run = self._taking.standing(name, ended)
            except NotTaken as error:
                say(f"{name} ran before, and is audited again: {error}")
                continue
            if not ended.recorded:
                self._taking.record(name, run)
            self._finish(self._made(member, RAN, "", run, ended.code, ended.seconds, resumed=True), run)

    def open(self) -> list[Member]:
        """The targets that are not through."""
        return [one for one in self._fleet.members if one.name not in self._through]

    def next_number(self, name: str) -> int:
        """The number of the next attempt at a target, counted over all parts of the fleet's run."""
        return len(self._attempts.get(name, ())) + 1

    def attempted(self, name: str, made: Attempt) -> None:
        """An attempt is over."""
        self._attempts.setdefault(name, []).append(made)

    def ran(self, name: str, run: Run, code: int, seconds: float) -> None:
        """A target was audited to its end."""
        self._finish(self._made(self.members[name], RAN, "", run, code, seconds), run)

    def not_observed(self, name: str, reason: str, rest: Run | None = None, code: int | None = None) -> None:
        """A target was not; `rest` is what stands of its last attempt."""
        seconds = round(sum(one.seconds for one in self._attempts.get(name, ())), 3)
        self._finish(self._made(self.members[name], NOT_OBSERVED, reason, rest, code, seconds), rest)

    def account(self, *, complete: bool) -> FleetRun:
        """Write the account as it is now."""
        return self._folder.account(
            [self._through.get(one.name) or self._pending(one) for one in self._fleet.members],
            seconds=time.monotonic() - self._began,
            complete=complete,
            notes=[*self.notes, *self._taking.faults],
            faults=self.faults + len(self._taking.faults),
        )

    def _pending(self, member: Member) -> MemberRun:
        return self._made(member, NOT_OBSERVED, "it was not audited yet", None, None, 0.0)

    def _made(
        self,
        member: Member,
        state: Literal["ran", "not observed"],
        reason: str,
        run: Run | None,
        code: int | None,
        seconds: float,
        *,
        resumed: bool = False,
    ) -> MemberRun:
        return MemberRun(
            name=member.name,
            policy=relative(member.policy, self._fleet.file),
            state=state,
            reason=reason,
            run=run.id if run is not None else "",
            code=code,
            folder=self._taking.folder(member.name) if run is not None else "",
            seconds=seconds,
            resumed=resumed,
            attempts=tuple(self._attempts.get(member.name, ())),
        )

    def _finish(self, made: MemberRun, run: Run | None) -> None:
        if not made.folder:
            self._taking.clear(made.name)
        self._through[made.name] = made
        if self._told is not None:
            self._told(made, run, len(self._through), len(self.members))
