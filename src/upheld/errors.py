"""Everything that upheld raises, in one tree.

    UpheldError
    ├── InputError            the policy, target, waivers or usage is wrong (exit 2); carries every Mistake found
    ├── Unobservable          a look that could not be made: ends as an inconclusive finding, with this reason
    │   ├── OutOfScope        the target does not declare that address, so it was not contacted
    │   ├── TimedOut          no answer within the time limit
    │   ├── Throttled         the target's own rate limit stood in the way
    │   ├── Spent             the harness may send no more there: the target's budget of requests is used up
    │   └── Refused           the connection or the read was refused
    ├── TargetUnavailable     the target as a whole could not be started or read (all claims inconclusive)
    └── InternalFault         a fault of upheld itself (exit 4)

Foreign exceptions are mapped to these once, inside the probe that meets them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class UpheldError(Exception):
    """Anything that upheld itself raises."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong in an input file, and what would be right.

    `line` and `column` count from 1; 0 means that the mistake has no place in the file (the file is missing, say).
    """

    file: str
    line: int
    column: int
    message: str
    got: str = ""
    expected: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        text = f"{place}: {self.message}"
        if self.got:
            text += f"; got {self.got}"
        if self.expected:
            text += f"; expected {self.expected}"
        if self.nearest:
            text += f"; did you mean {self.nearest!r}?"
        return text


class InputError(UpheldError):
    """The policy, the target, the waivers or the usage is wrong. `mistakes` holds all that was found, in file order."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class Unobservable(UpheldError):
    """A look could not be made; `reason` says why, in words that a report can show. Never means "not there"."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class OutOfScope(Unobservable):
    """The address is not one that the target declares; nothing was sent to it."""


class TimedOut(Unobservable):
    """No complete answer came within the time limit."""


class Throttled(Unobservable):
    """The target's own rate limit answered instead of what was asked."""


class Spent(Unobservable):
    """The budget that the target gives for a host is used up; nothing was sent."""


class Refused(Unobservable):
    """The connection, the login or the read was refused."""


class TargetUnavailable(UpheldError):
    """The target could not be started or read as a whole."""


class InternalFault(UpheldError):
    """A fault of upheld itself."""
