"""Locking of accounts after bad logins."""

from __future__ import annotations

import math
import time

from upheld_reference.logs import security_log

_REMEMBERED_ACCOUNTS = 10_000


class Lockout:
    """Counts bad logins in a row for each account, existing or not, and locks it when there are too many."""

    def __init__(self, failures: int, seconds: float) -> None:
        """Locks for ``seconds`` after ``failures`` bad logins in a row."""
        self._failures = failures
        self._seconds = seconds
        self._counts: dict[str, int] = {}
        self._until: dict[str, float] = {}

    def remaining_seconds(self, account: str) -> int:
        """How long ``account`` stays locked, in whole seconds rounded up; 0 when it is not locked."""
        return max(0, math.ceil(self._until.get(account, 0.0) - time.monotonic()))

    def failed(self, account: str) -> None:
        """Notes a bad login."""
        if len(self._counts) >= _REMEMBERED_ACCOUNTS:  # invented addresses must not fill the memory
            self._counts.pop(next(iter(self._counts)))
        self._counts[account] = self._counts.get(account, 0) + 1
        security_log.warning("bad login for %r (%d in a row)", account, self._counts[account])
        if self._counts[account] >= self._failures:
            self._counts.pop(account)
            now = time.monotonic()
            self._until = {locked: until for locked, until in self._until.items() if until > now}
            self._until[account] = now + self._seconds
            security_log.warning("account %r is locked for %g s", account, self._seconds)

    def succeeded(self, account: str) -> None:
        """Notes a good login: the count starts again."""
        self._counts.pop(account, None)
