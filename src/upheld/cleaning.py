"""Undoing what runs that crashed, or could not, left behind in a deployment, by their journals."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from upheld.errors import Unobservable
from upheld.opening import open_session
from upheld.probes.planted import left_behind

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


def clean(target_file: Path, folder: Path, *, forget: bool = False) -> Iterator[Undone]:
    """Undo what the journals in `folder` name, the last planted first. With `forget`, what cannot be undone is named no more.

    Raises InputError when the target's description is wrong.
    """
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
        finally:
            session.close()


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
