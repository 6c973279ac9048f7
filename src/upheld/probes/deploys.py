"""The log of deploys that the target describes: what went where, and when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look

if TYPE_CHECKING:
    from upheld.target.code import Deploys as Described

MOST = 100_000
"""Deploys to production since a date that one look gives."""
LONGEST_LINE = 1024 * 1024
"""Bytes of one line."""


@dataclass(frozen=True, slots=True)
class Deploy:
    """A deploy to production: the line of the log, when it was, and of which commit."""

    line: int
    at: datetime
    commit: str

    def __str__(self) -> str:
        """`deploy of 2026-11-20 08:15 UTC (line 12)`."""
        return f"deploy of {self.at:%Y-%m-%d %H:%M} UTC (line {self.line})"


class Deploys(Probe):
    """The log under `deploys` in the target."""

    name = "deploys"
    detached = True
    needs = ("deploys",)

    @look
    def to_production(self, since: datetime | None = None) -> tuple[Deploy, ...]:
        """The deploys to production since then, as the log has them.

        Raises Unobservable when the log cannot be read, has a line that cannot be understood, or tells of no deploy.
        """
        found = []
        for one in self._deploys():
            if since is None or one.at >= since:
                found.append(one)
            if len(found) > MOST:
                raise Unobservable(f"the log tells of more than {MOST:,} deploys")
        if not found:
            raise Unobservable(f"the deploy log {self._described.path} tells of no deploy to production")
        return tuple(found)

    @property
    def _described(self) -> Described:
        if self.target.deploys is None:
            raise Unobservable("the target describes no deploys")
        return self.target.deploys

    def _deploys(self) -> Iterator[Deploy]:
        described = self._described
        try:
            with (self.session.target_folder / described.path).open("rb") as stream:
                number = 0
                while line := stream.readline(LONGEST_LINE):
                    number += 1
                    if line.strip() and (one := self._deploy(line, number)) is not None:
                        yield one
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unobservable(f"the deploy log {described.path} cannot be read: {reason}") from error

    def _deploy(self, line: bytes, number: int) -> Deploy | None:
        described = self._described
        try:
            entry = json.loads(line)
            if described.environment is not None:
                where = _field(entry, described.environment)
                if not isinstance(where, str):
                    raise ValueError(described.environment)
                if where not in described.production:
                    return None
            at = datetime.fromisoformat(str(_field(entry, described.at)))
            commit = str(_field(entry, described.commit)).lower()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Unobservable(f"line {number} of the deploy log cannot be understood: {error}") from error
        if len(commit) not in {40, 64} or any(digit not in "0123456789abcdef" for digit in commit):
            raise Unobservable(f"line {number} of the deploy log names no commit by its full id")
        return Deploy(number, at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC), commit)


def _field(entry: Any, name: str) -> Any:
    for part in name.split("."):
        entry = entry[part]
    return entry
