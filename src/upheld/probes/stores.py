"""The stores whose content is kept only for a period: tables and folders, how old what they hold is, and planting in them."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld.errors import Unobservable
from upheld.probes.base import Probe, look
from upheld.probes.database import Database, table_of
from upheld.probes.database_rows import rows_of
from upheld.probes.planted import Note, Planted
from upheld.probes.sending import DATABASE, PLANTS, Sending, Sends
from upheld.probes.store_ages import RowAges, TenantAge, bounded, file_ages
from upheld.probes.store_files import files_in, head_of, write_dated
from upheld.probes.store_rows import as_stored, as_text, count_rows, fill_in, holds, insert_row, is_filled, whole
from upheld.probes.undoing import undo_all
from upheld.target.data import TableStore

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.target.data import FileStore, Retention

__all__ = ["Periods", "PlantedRecord", "Presence", "Store", "Stores", "TenantAge", "TenantName"]

TENANT_NAME_LIMIT = 1_000
"""Characters by which tenants are told apart."""
TENANTS_LIMIT = 10_000
"""Tenants of one store that a look lists; more are Unobservable."""


@dataclass(frozen=True, slots=True)
class Store:
    """A declared store. `plantable` says whether the target tells how to plant in it."""

    name: str
    kind: str
    plantable: bool

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class TenantName:
    """A declared tenant: its name and its identifier."""

    name: str
    id: str


@dataclass(frozen=True, slots=True)
class Periods:
    """How long each tenant's records are kept, in days, and the default for new tenants as the catalogue has it.

    `days` names no tenant whose period is empty; `default_days` is None when the catalogue gives no whole number.
    """

    source: str
    days: tuple[tuple[str, int], ...]
    default_days: int | None

    def of(self, tenant: str, otherwise: int) -> int:
        """The tenant's own period in days, or `otherwise`."""
        return dict(self.days).get(tenant, otherwise)


@dataclass(frozen=True, slots=True)
class PlantedRecord:
    """A record that the auditor planted: in which store, of which tenant, dated when. `key` finds it again."""

    store: str
    tenant: str
    at: datetime
    key: str


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether a planted record is still there, and whether its content is: in its own place or anywhere else in the store.

    Where the target names no place for content, the record is its content.
    """

    record: bool
    content: bool

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.record or self.content)


class Stores(Probe):
    """The stores under `retention` in the target."""

    name = "stores"
    needs = ("retention",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(
            ("ages", "older_than", "periods", "presence"),
            (
                Sends(
                    DATABASE,
                    "SELECT of times and counts of {table}",
                    "the role of database.url",
                    each="retention.tables",
                ),
            ),
        ),
        "plant": (
            Sends(
                DATABASE,
                "INSERT of a dated row into {table}, removed again",
                "the role of {name:database.planting_url}",
                1,
                PLANTS,
                each="retention.tables",
            ),
        ),
        "remove_planted": (
            Sends(
                DATABASE,
                "DELETE of planted rows of {table}",
                "the role of {name:database.planting_url}",
                None,
                PLANTS,
                each="retention.tables",
            ),
        ),
    }

    def __init__(self, session: Session) -> None:
        """Reads nothing yet."""
        super().__init__(session)
        self._notes: list[Note] = []
        self._planted: dict[str, Planted] = {}
        self._canaries: dict[str, str] = {}
        self._began = datetime.now(UTC) - timedelta(minutes=1)

    @look
    def stores(self) -> tuple[Store, ...]:
        """All declared stores; raises Unobservable when there is none."""
        tables = [Store(one.name, "table", one.plant is not None) for one in self._retention.tables]
        folders = [Store(one.name, "files", one.plant is not None) for one in self._retention.files]
        if not tables + folders:
            raise Unobservable("the target declares no store that is kept only for a period")
        return tuple(tables + folders)

    @look
    def tenants(self) -> tuple[TenantName, ...]:
        """The declared tenants; raises Unobservable when there is none."""
        if not self.target.tenants:
            raise Unobservable("the target declares no tenant")
        return tuple(TenantName(one.name, one.id) for one in self.target.tenants if one.compared)

    @look
    def periods(self) -> Periods:
        """The period of each tenant from the declared table; no tenant has its own where none is declared."""
        retention = self._retention
        if retention.period_table is None:
            return Periods("", (), None)
        table = table_of(retention.period_table, retention.period_tenant_column, retention.period_column)
        tenant, days = table.c[retention.period_tenant_column], table.c[retention.period_column]
        with self._database.reading() as connection:
            query = sa.select(tenant, days).limit(TENANTS_LIMIT + 1)
            rows = [tuple(row.values()) for row in rows_of(connection, query, retention.period_table)]
        if not rows:
            raise Unobservable(f"{retention.period_table} has no row: no tenant's period can be seen")
        bounded(rows, retention.period_table, TENANTS_LIMIT)
        found = []
        for name, period in rows:
            if period is not None:
                if isinstance(period, bool) or not isinstance(period, int):
                    raise Unobservable(f"{retention.period_table}.{retention.period_column} is no whole number of days")
                found.append((str(name), period))
        default = self._default_days(retention)
        return Periods(f"{retention.period_table}.{retention.period_column}", tuple(found), default)

    @look
    def ages(self, store: str) -> tuple[TenantAge, ...]:
        """How old the records of each tenant in this store are; records that are marked deleted count. Empty: it holds nothing."""
        described = self._store(store)
        if isinstance(described, TableStore):
            return self._table_ages(described)
        return file_ages((tenant, changed) for tenant, _, changed in self._files(described))

    @look
    def older_than(self, store: str, tenant: str, before: datetime) -> int:
        """How many dated records of this tenant in this store are from before that instant."""
        described = self._store(store)
        if isinstance(described, TableStore):
            table = self._table(described)
            dated = table.c[described.timestamp] < _moment(before)
            with self._reading(table) as connection:
                whose = sa.func.coalesce(as_text(connection, table, described.tenant_column), "") == tenant
                return count_rows(connection, table, whose, dated, *self._counted(connection, described, table))
        files = self._files(described)
        return sum(whose == tenant and changed < before for whose, _, changed in files)

    @look
    def within_seconds(self) -> float:
        """How long the job that removes aged records may take, in seconds."""
        return self._retention.job_within_seconds

    # --- planting --------------------------------------------------------------------------------------------------

    @look
    def plant(self, store: str, tenant: str, at: datetime, canary: str) -> PlantedRecord:
        """Plant a record that is dated `at` and whose content holds the canary (given by its placeholder)."""
        described = self._store(store)
        if described.plant is None:
            raise Unobservable(f"the target does not say how to plant in {store}")
        key = f"{store}/{tenant}/{len(self._planted) + 1}"
        value = self.session.redactor.reveal(canary)
        if isinstance(described, TableStore):
            planted = self._plant_row(described, tenant, at, value)
        else:
            planted = self._plant_file(described, tenant, at, value)
        self._planted[key] = planted
        self._canaries[key] = value
        return PlantedRecord(store, tenant, at, key)

    @look
    def presence(self, record: PlantedRecord) -> Presence:
        """Whether the planted record, and its content anywhere in the store, are still there."""
        planted, canary = self._planted[record.key], self._canaries[record.key]
        described = self._store(record.store)
        if isinstance(described, TableStore):
            return self._row_presence(described, planted, canary)
        path = Path(planted.file)
        needle = canary.encode()
        files = self._files(described)
        content = any(needle in head_of(one) for _, one, changed in files if self._may_hold(changed, record.at))
        return Presence(path.exists(), content)

    @look
    def remove_planted(self) -> int:
        """Remove everything that this probe planted and that is still there; gives how many records had to be removed."""
        removed = undo_all(self.session, self._notes)
        self._planted.clear()
        self._canaries.clear()
        return removed

    # --- inside ----------------------------------------------------------------------------------------------------

    @property
    def _retention(self) -> Retention:
        if self.target.retention is None:
            raise Unobservable("the target describes no stores that are kept for a period (retention)")
        return self.target.retention

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    @contextmanager
    def _reading(self, table: sa.TableClause) -> Iterator[sa.Connection]:
        with self._database.reading() as connection:
            whole(connection, table)
            yield connection

    def _store(self, name: str) -> TableStore | FileStore:
        stores: tuple[TableStore | FileStore, ...] = (*self._retention.tables, *self._retention.files)
        for store in stores:
            if store.name == name:
                return store
        raise Unobservable(f"the target declares no store {name!r}")

    def _default_days(self, retention: Retention) -> int | None:
        try:
            default = self._database.column_default(str(retention.period_table), retention.period_column)
        except Unobservable:  # Another kind of database: its catalogue is not known here. The check says so.
            return None
        return int(default) if re.fullmatch(r"\d{1,9}", default) else None

    @staticmethod
    def _table(store: TableStore) -> sa.TableClause:
        columns = (store.id, store.timestamp, store.tenant_column, *store.content, *(store.plant or {}))
        return table_of(store.table, *dict.fromkeys(columns))

    @staticmethod
    def _counted(connection: sa.Connection, store: TableStore, table: sa.TableClause) -> list[sa.ColumnElement[bool]]:
        """The condition that leaves tombstones out, where the target says that they may stay."""
        if not (store.tombstones and store.content):
            return []
        return [sa.or_(*(is_filled(connection, table, name) for name in store.content))]

    def _table_ages(self, store: TableStore) -> tuple[TenantAge, ...]:
        table = self._table(store)
        with self._reading(table) as connection:
            # No tenant is called longer; what is may be of any size, and would come whole.
            named = sa.func.substr(as_text(connection, table, store.tenant_column), 1, TENANT_NAME_LIMIT)
            rows = RowAges(connection, table, table.c[store.timestamp], sa.func.coalesce(named, ""))
            return rows.by_tenant(store.table, self._counted(connection, store, table), TENANTS_LIMIT)

    def _files(self, store: FileStore) -> Iterator[tuple[str, Path, datetime]]:
        return files_in(self._folder(store), store.pattern, store.name)

    def _folder(self, store: FileStore) -> Path:
        return (self.session.target_folder / store.folder).absolute()

    def _plant_row(self, store: TableStore, tenant: str, at: datetime, canary: str) -> Planted:
        table = self._table(store)
        values = dict(_filled(store.plant or {}, canary=canary, tenant=tenant, at=at, uuid=str(uuid.uuid4())))
        values[store.timestamp] = at
        values |= {name: canary for name in store.content if name not in values}
        with self._database.writing() as connection:
            whole(connection, table)
            values[store.tenant_column] = as_stored(connection, table, store.tenant_column, tenant)
            row = insert_row(connection, table, values, store.id)
            title = f"a row of {store.table} ({store.id} {row})"
            planted = Planted("row", title, table=store.table, id_column=store.id, id=row, role="planter")
            # Before the commit: a crash in between leaves a journal without a row, never a row without a journal.
            self._notes.append(self.session.journal.about(planted))
        return planted

    def _plant_file(self, store: FileStore, tenant: str, at: datetime, canary: str) -> Planted:
        row = ""
        if store.plant_with is not None:
            partner = self._store(store.plant_with)
            if not isinstance(partner, TableStore) or partner.plant is None:
                raise Unobservable(f"{store.name}: the target does not say how to plant in {store.plant_with}")
            row = self._plant_row(partner, tenant, at, canary).id
        folder = self._folder(store)
        path = folder / str(fill_in(store.plant or "", {"tenant": tenant, "uuid": str(uuid.uuid4()), "id": row}))
        if not path.resolve().is_relative_to(folder.resolve()):
            raise Unobservable(f"{store.name}: the planted file would not be inside its folder")
        planted = Planted("file", f"the file {path}", file=str(path))
        self._notes.append(self.session.journal.about(planted))
        write_dated(path, folder, f'{{"planted": "{canary}"}}\n', at, store.name)
        return planted

    def _may_hold(self, changed: datetime, at: datetime) -> bool:
        """Whether a file may hold what was planted with that date: it kept the date, or was written since the run began."""
        return abs((changed - at).total_seconds()) < 2 or changed >= self._began

    def _row_presence(self, store: TableStore, planted: Planted, canary: str) -> Presence:
        table = self._table(store)
        holders = [name for name, value in (store.plant or {}).items() if "{canary}" in json.dumps(value)]
        columns = dict.fromkeys((*store.content, *holders))
        with self._reading(table) as connection:
            mine = as_text(connection, table, store.id) == planted.id
            record = count_rows(connection, table, mine)
            if record and store.tombstones:
                record = count_rows(connection, table, mine, *self._counted(connection, store, table))
            held = [holds(connection, table, name, canary) for name in columns]
            content = count_rows(connection, table, sa.or_(*held)) if held else record
        return Presence(bool(record), bool(content))


def _moment(before: datetime) -> datetime:
    return before.astimezone(UTC)


def _filled(plant: Mapping[str, Any], **values: object) -> Iterator[tuple[str, object]]:
    for column, value in plant.items():
        yield column, fill_in(value, values)
