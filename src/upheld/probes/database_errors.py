"""What the exceptions of databases' drivers mean, in words without values."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from upheld.errors import Refused, TimedOut, Unobservable
from upheld.probes import database_mysql


class ReadDenied(Refused):
    """The database said "permission denied": the role may not read what it was asked for."""


def mapped(error: Exception, who: str) -> Unobservable:
    """What a driver's exception means, in words without values."""
    original = getattr(error, "orig", None) or error
    numbered = database_mysql.meaning(original)
    if numbered is not None:
        kind, text = numbered
        said = {"denied": ReadDenied, "refused": Refused, "timed out": TimedOut}.get(kind, Unobservable)
        return said(f"{who}: {text}")
    state = str(getattr(original, "sqlstate", None) or "")
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    lines = [line for line in str(primary or original).splitlines() if line.strip()]
    text = lines[0].strip() if lines else type(original).__name__
    lowered = str(original).lower()
    if state == "42501" or (
        not state and "permission denied" in lowered and isinstance(error, DBAPIError) and "socket" not in lowered
    ):
        return ReadDenied(f"{who}: {text}")
    if state in {"57014", "55P03"} or isinstance(error, PoolTimeout) or "timeout expired" in lowered:
        return TimedOut(f"{who}: no answer within the time limit ({text})")
    if state.startswith(("28", "3D")) or any(
        words in lowered
        for words in ("authentication failed", "connection refused", "no such file or directory", "does not exist")
    ):
        return (
            Unobservable(f"{who}: {text}")
            if state.startswith("42")
            else Refused(f"{who} refused the connection: {text}")
        )
    return Unobservable(f"{who}: {text}")
