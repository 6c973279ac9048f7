"""Advice to rotate: how old stored credentials are, and which of their owners are told so, in which places."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.api_logins import at
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_errors import ReadDenied
from upheld.probes.sending import AS_MEMBERS, HTTP, Sending, Sends, reading

if TYPE_CHECKING:
    from upheld.probes.http_client import Answer
    from upheld.target.credentials import AdvicePlace, AgeAdvice

ROWS_LIMIT = 100_000
"""Credentials whose age is read; more are Unobservable."""


@dataclass(frozen=True, slots=True)
class Age:
    """A stored credential: what it belongs to, whose it is, and how old it is."""

    belongs_to: str
    tenant: str
    days: float


@dataclass(frozen=True, slots=True)
class Advice:
    """What one identity reads in one place: the status, and of which of the asked-for credentials it is told."""

    place: str
    identity: str
    status: int
    told_of: tuple[str, ...]


class RotationAdvice(Probe):
    """The ages and the places under `age_advice` in the target."""

    name = "rotation_advice"
    needs = ("age_advice",)
    sends: ClassVar[Sending] = {
        "ages": reading("sealed_url", "of the ages of credentials") + reading("url", "of the ages of credentials"),
        "advice": (*AS_MEMBERS, Sends(HTTP, "{call:places.operation}", "{places.identities}", 1, each="age_advice")),
    }

    @look
    def advised_kinds(self) -> tuple[str, ...]:
        """The kinds of which the target says where their age stands; raises Unobservable when there is none."""
        if not self.target.age_advice:
            raise Unobservable("the target does not say where owners are advised to rotate (age_advice)")
        return tuple(one.name for one in self.target.age_advice)

    @look
    def ages(self, name: str) -> tuple[Age, ...]:
        """Every stored credential of that kind with its age, of the tenants that the target describes."""
        described = self._advice(name)
        table = table_of(described.table, described.belongs_to, described.tenant_column, described.received)
        tenants = [one.id for one in self.target.tenants]
        tenant = sa.cast(table.c[described.tenant_column], sa.Text)
        statement = (
            sa.select(table.c[described.belongs_to], tenant, table.c[described.received])
            .where(tenant.in_(tenants))
            .limit(ROWS_LIMIT + 1)
        )
        rows = self._read(statement)
        if len(rows) > ROWS_LIMIT:
            raise Unobservable(f"{described.table} holds more than {ROWS_LIMIT} credentials")
        now = datetime.now(UTC)
        return tuple(
            Age(str(belongs_to), str(whose), (now - _aware(received)).total_seconds() / 86_400)
            for belongs_to, whose, received in rows
            if received is not None
        )

    @look
    def advice(self, name: str, tenant: str, belong_to: tuple[str, ...]) -> tuple[Advice, ...]:
        """Of which of these credentials each declared place tells each declared identity of the tenant."""
        described = self._advice(name)
        names = {one.name for one in self.target.tenants if one.id == tenant}
        api, found = cast("Api", self.session.probe(Api)), []
        for place in described.places:
            for identity in place.identities:
                if api.identity(identity).tenant not in names:
                    continue
                call = api.document.operation(place.operation)
                answer, _, _ = api.answer(call.id, identity, {})
                told = _told(place, answer, belong_to) if answer.status == 200 else ()
                found.append(Advice(place.operation, identity, answer.status, told))
        return tuple(found)

    # --- how -----------------------------------------------------------------------------------------------------------

    def _read(self, statement: sa.Select[Any]) -> list[Any]:
        database = cast("Database", self.session.probe(Database))
        roles = ("sealed", "auditor") if database.description.sealed_url else ("auditor",)
        for role in roles:
            try:
                with database.reading(role) as connection:
                    return [tuple(row) for row in connection.execute(statement).all()]
            except ReadDenied:
                if role == roles[-1]:
                    raise
        return []

    def _advice(self, name: str) -> AgeAdvice:
        found = next((one for one in self.target.age_advice if one.name == name), None)
        if found is None:
            raise Unobservable(f"the target does not say where advice about {name!r} shows (age_advice)")
        return found


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _told(place: AdvicePlace, answer: Answer, belong_to: tuple[str, ...]) -> tuple[str, ...]:
    entries = at(answer.json(), place.entries)
    if not isinstance(entries, list):
        raise Unobservable(f"{place.operation} answers no list at {place.entries or 'its top'}")
    told = []
    for entry in entries:
        if place.flag is not None and at(entry, place.flag) is not True:
            continue
        if any(at(entry, pointer) != wanted for pointer, wanted in place.equals.items()):
            continue
        text = json.dumps(entry, ensure_ascii=False)
        told += [one for one in belong_to if (str(at(entry, place.id)) == one if place.id else one in text)]
    return tuple(dict.fromkeys(told))
