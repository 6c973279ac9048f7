"""The codes of second factors (RFC 6238): present ones, each used once in a run whatever process asks, and ones that must not work."""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from upheld.errors import Unobservable
from upheld.target.secrets import resolve

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.api import Account, Totp

_MARGIN = 0.2
"""The part of a step within which a code of the oldest step could become too old on its way."""
_NEAR_STEPS = 20
"""Steps around the present one whose codes a made-up code must not be."""


class Code(StrEnum):
    """What is shown as the second factor."""

    PRESENT = "the present code"
    """Of this moment, or the next one where that was used in this run."""
    EARLIEST = "the earliest code that counts"
    """Of the oldest step that counts and was not used in this run: logins in quick succession find the most of them."""
    USED = "the code that was just used"
    OLD = "an old code"
    """Of the last step that the target does not declare to be accepted any more."""
    FUTURE = "a future code"
    WRONG = "a made-up code"
    ABSENT = "no code"
    NULL = "null as the code"
    EMPTY = "an empty code"


class Codes:
    """Makes codes. Which steps were used is kept in the run's scratch folder, because a code counts once and workers are many."""

    def __init__(self, session: Session, totp: Totp) -> None:
        self._session = session
        self._totp = totp
        self._used: dict[str, int] = {}

    def make(self, identity: Account, code: Code) -> str | None:
        """The code of that kind, None for none; waits for a new step where every present one was used.

        Raises Unobservable when the identity has no seed, or when the code would prove nothing.
        """
        if code in {Code.ABSENT, Code.NULL, Code.EMPTY}:
            return "" if code is Code.EMPTY else None
        generator = self._generator(identity)
        if code in {Code.PRESENT, Code.EARLIEST}:
            step = self._used[identity.name] = self._unused_step(identity, earliest=code is Code.EARLIEST)
            return str(generator.generate_otp(step))
        now = self._now()
        if code is Code.WRONG:
            near = {str(generator.generate_otp(now + away)) for away in range(-_NEAR_STEPS, _NEAR_STEPS + 1)}
            while (made := f"{secrets.randbelow(10**self._totp.digits):0{self._totp.digits}}") in near:
                pass
            return made
        if code is Code.USED:
            if identity.name not in self._used:
                raise Unobservable(f"no code of {identity.name} was used yet")
            self.still_counts(identity)
            return str(generator.generate_otp(self._used[identity.name]))
        if code is Code.FUTURE:  # One step more, for the present one may end before the code arrives.
            return str(generator.generate_otp(now + self._totp.window_steps + 2))
        old = now - self._totp.window_steps - 1
        with self._last(identity) as (last, _):
            if last >= old:
                raise Unobservable(f"a later code of {identity.name} was used, so that an old one is refused for that")
        return str(generator.generate_otp(old))

    def last_used(self, identity: Account) -> int:
        """The last step whose code this run has used for the identity; 0 for none."""
        with self._last(identity) as (step, _):
            return step

    def still_counts(self, identity: Account) -> None:
        """Raise Unobservable when the code that was used last has become too old to be accepted a second time."""
        if self._used[identity.name] < self._now() - self._totp.window_steps:
            raise Unobservable("the code that was used became too old before it was shown again")

    def _generator(self, identity: Account) -> Any:
        try:
            import pyotp  # noqa: PLC0415  (an extra, and nothing that every run needs)
        except ImportError:
            raise Unobservable("second factors need pyotp: pip install 'upheld[staff]'") from None
        if identity.totp_seed is None:
            raise Unobservable(f"the target gives no seed of a second factor for {identity.name} (totp_seed)")
        seed = resolve(identity.totp_seed, self._session.target_folder)
        totp = self._totp
        try:
            self._session.redactor.add(seed, f"seed-{identity.name}")
            generator = pyotp.TOTP(
                seed, digits=totp.digits, digest=getattr(hashlib, totp.algorithm), interval=totp.step_seconds
            )
            generator.generate_otp(0)
        except ValueError:
            raise Unobservable(f"the seed of {identity.name} is not base32") from None
        return generator

    def _now(self) -> int:
        return int(time.time() // self._totp.step_seconds)

    def _unused_step(self, identity: Account, *, earliest: bool) -> int:
        seconds, window = self._totp.step_seconds, self._totp.window_steps
        with self._last(identity) as (last, file):
            while True:
                now, into = self._now(), time.time() % seconds
                oldest = now - window if into < seconds * (1 - _MARGIN) or not window else now - window + 1
                step = max(oldest if earliest else now, last + 1)
                if step <= now + window:
                    file.seek(0)
                    file.truncate()
                    file.write(str(step))
                    file.flush()
                    return step
                time.sleep(seconds - into + 0.05)

    @contextmanager
    def _last(self, identity: Account) -> Iterator[tuple[int, TextIO]]:
        """The last step of the identity that this run used, and the file that keeps it, to oneself."""
        folder = self._session.scratch
        folder.mkdir(parents=True, exist_ok=True)
        name = hashlib.sha256(identity.name.encode()).hexdigest()[:16]
        with (folder / f"totp-{name}.step").open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            yield int(file.read() or 0), file
