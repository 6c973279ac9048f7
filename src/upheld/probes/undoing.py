"""Taking away what was planted, and putting back what was changed: the same way at a run's end and after a crash."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.credential_flows import Credentials
from upheld.probes.database import Database, table_of
from upheld.probes.planted import RESET
from upheld.probes.staff import Staff
from upheld.probes.store_rows import as_text

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.planted import Note, Planted

REMOVED = "removed"
PUT_BACK = "put back"
NOT_THERE = "was not there any more"
_HIDDEN = "[redacted:"


def undo(session: Session, planted: Planted) -> str:
    """Undo one thing; gives what became of it (REMOVED, PUT_BACK or NOT_THERE). Raises Unobservable with what stands in the way.

    It goes out past the target's budget of requests, but not past its rate.
    """
    if _HIDDEN in f"{planted.id}{planted.objects}{planted.body}{planted.table}{planted.file}":
        raise Unobservable("a secret is needed for it, which the journal does not hold")
    if planted.what == RESET:
        raise Unobservable("a reset was begun since, so that what it was called may be something else by now")
    how = {"object": _object, "row": _row, "file": _file, "call": _call, "credential": _credential}.get(planted.what)
    if how is None:
        raise Unobservable("the target names no way to undo it")
    with session.putting_back():
        return how(session, planted)


def undo_all(session: Session, notes: list[Note]) -> int:
    """Undo what is still open, the last first, and take each note away as it is dealt with; gives how many things were removed.

    Raises Unobservable at the first that cannot be undone; it and those before it stay noted.
    """
    removed = 0
    while notes:
        note = notes[-1]
        if note.open:
            removed += undo(session, note.planted) == REMOVED
            note.gone()
        notes.pop()
    return removed


def _object(session: Session, planted: Planted) -> str:
    api = cast("Api", session.probe(Api))
    known = planted.id or api.planter.find(planted)
    if _gone_with_another(session, api, planted, known):
        return NOT_THERE
    if not api.planter.take_away(planted, known):
        return NOT_THERE
    recipe = api.description.objects[planted.kind]
    if recipe.read is not None:
        held = {**planted.objects, planted.kind: known}
        if api.send(recipe.read, identity=planted.identity, objects=held).worked:
            raise Unobservable(f"{recipe.delete} answered that it is deleted, and {recipe.read} still shows it")
    return REMOVED


def _gone_with_another(session: Session, api: Api, planted: Planted, identifier: str) -> bool:
    """Whether an object that nothing deletes is not there any more: what it belonged to may have taken it along."""
    recipe = api.description.objects.get(planted.kind)
    if recipe is None or recipe.delete is not None or recipe.read is None or not session.journal.durable:
        return False  # Where the target ends with the run nobody needs to know.
    held = {**planted.objects, planted.kind: identifier}
    return api.send(recipe.read, identity=planted.identity, objects=held).status in {
        HTTPStatus.NOT_FOUND,
        HTTPStatus.GONE,
    }


def _row(session: Session, planted: Planted) -> str:
    database = cast("Database", session.probe(Database))
    table = table_of(planted.table, planted.id_column)
    with database.writing(planted.role or "planter") as connection:
        mine = as_text(connection, table, planted.id_column) == planted.id
        removed = int(connection.execute(sa.delete(table).where(mine)).rowcount)
    return REMOVED if removed else NOT_THERE


def _file(session: Session, planted: Planted) -> str:
    path = Path(planted.file)
    described = session.target.retention
    folders = [session.target_folder / one.folder for one in (described.files if described else ())]
    if not any(path.parent.resolve().is_relative_to(one.resolve()) for one in folders):
        raise Unobservable("it is in no folder that the target declares (retention.files)")
    try:
        path.unlink()
    except FileNotFoundError:
        return NOT_THERE
    except OSError as error:
        raise Unobservable(f"it cannot be removed: {error.strerror or type(error).__name__}") from None
    return REMOVED


def _call(session: Session, planted: Planted) -> str:
    kind = Staff if planted.api == "staff" else Api
    probe = cast("Api | Staff", session.probe(kind))
    reply = probe.send(planted.operation, identity=planted.identity or None, objects=planted.objects, body=planted.body)
    if not reply.worked:
        raise Unobservable(f"{planted.operation} answered {reply.status}")
    return PUT_BACK


def _credential(session: Session, planted: Planted) -> str:
    if not planted.id:
        raise Unobservable("how it is called was never answered, so it cannot be told from others")
    status, done = cast("Credentials", session.probe(Credentials)).undo(planted.kind, planted.id)
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return NOT_THERE
    if not done:
        raise Unobservable(f"the operation that removes a {planted.kind} answered {status}")
    return REMOVED
