"""Undoing what runs that crashed, or could not, left behind in a deployment, by their journals."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import InputError, Mistake, Unobservable
from upheld.opening import open_session
from upheld.probes.planted import LeftBehind, busy, left_behind
from upheld.reporting.text import safe
from upheld.target.load import load_target
from upheld.target.model import Environment, Target
from upheld.target.reset import WholeReset

if TYPE_CHECKING:
    from upheld.probes.base import Session


@dataclass(frozen=True, slots=True)
class Undone:
    """One thing that was left behind and what became of it: `done` with `said` how, or not, with the reason."""

    title: str
    run: str
    done: bool
    said: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """A journal that no running process writes any more: when it was begun, and the titles of what it names."""

    run: str
    titles: tuple[str, ...]


def leftovers(folder: Path) -> tuple[Leftover, ...]:
    """What is left behind by the journals in `folder`, the newest first; empty ones and those that are being written do not count."""
    with left_behind(folder) as journals:
        found = [Leftover(one.at, tuple(planted.title for _, planted in one.planted)) for one in journals]
    return tuple(one for one in found if one.titles)


@dataclass(frozen=True, slots=True)
class Reset:
    """What became of a reset of the whole deployment: whether it was `begun`, whether it was seen to work, and what said so or why not.

    `titles` are the things that could not be undone one by one before it.
    """

    begun: bool
    done: bool
    said: str
    titles: tuple[str, ...]


def clean(target_file: Path, folder: Path, *, forget: bool = False, reset: bool = False) -> Iterator[Undone | Reset]:
    """Undo what the journals in `folder` name, the last planted first. With `forget`, what cannot be undone is named no more.

    With `reset`, the whole deployment is put back afterwards, as the target describes it. Raises InputError when the target's
    description is wrong, and before anything is undone when there may be no reset (`may_not_reset`).
    """
    if reset and (why := may_not_reset(load_target(target_file)[0])):
        raise InputError([Mistake("--reset", 0, 0, why)])
    # The probes come with it, and take a while to import.
    from upheld.probes.undoing import undo  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="upheld-clean-") as scratch:
        session = open_session(target_file, Path(scratch), secrets.token_hex(32), folder)
        try:
            with left_behind(folder) as journals, session.scope.fence.up():
                waiting = [(one, number, planted) for one in journals for number, planted in one.planted]
                for last in (False, True):  # What went with another one is seen to be gone in the second round.
                    left = []
                    for journal, number, planted in waiting:
                        title = session.redactor.text(planted.title)
                        try:
                            said, done = undo(session, planted), True
                        except Unobservable as error:
                            said, done = session.redactor.text(error.reason), False
                        if not done and not last:
                            left.append((journal, number, planted))
                            continue
                        if done or forget:
                            journal.gone(number)
                        yield Undone(title, journal.at, done, said)
                    waiting = left
                yield from _zone(session)
                if reset:
                    yield _reset(session, journals, folder)
        finally:
            session.close()


def may_not_reset(target: Target) -> str:
    """Why `upheld clean --reset` does nothing to this target, as a sentence; empty where it may."""
    if target.environment is Environment.PRODUCTION:
        return "the target is in production, which is never reset (environment: production)"
    if target.reset is None:
        return "the target does not say how it is reset: describe it under `reset` (docs/target.md)"
    return ""


def offered(file: Path) -> str:
    """The command that resets the target in that file, and what it would do; empty where it may not be reset."""
    target, _ = load_target(file)
    return "" if target.reset is None or may_not_reset(target) else reset_words(file, target.reset)


def reset_words(file: Path, reset: WholeReset) -> str:
    """The command that resets the target in that file, and what it would do."""
    return safe(f"upheld clean --target {file} --reset puts the whole deployment back by {reset.way}: {reset.state}")


def _reset(session: Session, journals: Sequence[LeftBehind], folder: Path) -> Reset:
    from upheld.probes.resetting import NotBegun, reset  # noqa: PLC0415

    titles = tuple(session.redactor.text(planted.title) for one in journals for _, planted in one.planted)
    if busy(folder) > len(journals):
        return Reset(begun=False, done=False, said="a run is at work, which would lose what it looks at", titles=titles)

    def begins() -> None:
        # Also if this process ends in the middle of it: what things were called may be something else's from now on.
        for one in journals:
            one.reset_begins()

    try:
        said = reset(session, begins)
    except NotBegun as error:
        return Reset(begun=False, done=False, said=session.redactor.text(error.reason), titles=titles)
    except Unobservable as error:
        return Reset(begun=True, done=False, said=session.redactor.text(error.reason), titles=titles)
    for one in journals:
        for number, _ in one.planted:
            one.gone(number)
    return Reset(begun=True, done=True, said=said, titles=titles)


def _zone(session: Session) -> Iterator[Undone]:
    """What dead processes left in the file of names, which says so itself and needs no journal."""
    from upheld.probes.listener import Zone  # noqa: PLC0415

    described = session.target.receivers
    if described is not None and described.zone_file is not None:
        title = f"names in the zone file {described.zone_file}"
        try:
            if Zone(session.target_folder / described.zone_file).put_right():
                yield Undone(title, "", done=True, said="put back")
        except Unobservable as error:
            yield Undone(title, "", done=False, said=error.reason)
