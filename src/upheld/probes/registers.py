"""The company's registers: their entries and documents, the data inventory, the accounts that they speak of, the privacy policy."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, cast

import sqlalchemy as sa

from upheld import documents
from upheld.errors import InputError, Unobservable
from upheld.model import Plain
from upheld.probes.base import Probe, look
from upheld.probes.countries import countries_in
from upheld.probes.database import Database, table_of
from upheld.probes.database_rows import rows_of
from upheld.probes.entries import Entry, renamed, zone_of
from upheld.probes.html_text import content
from upheld.probes.http import Http
from upheld.probes.kept_files import Document, KeptFolder, Missing
from upheld.probes.sending import DATABASE, HTTP, Sending, Sends

if TYPE_CHECKING:
    from upheld.target.registers import AccountTable
    from upheld.target.registers import Register as Described
    from upheld.target.registers import Registers as Description

__all__ = ["Document", "Entry", "Inventory", "PrivacyPolicy", "Register", "Registers", "SystemAccount", "zone_of"]

LIMITS = documents.Limits(size=16 << 20, nodes=2_000_000, expanded_text=64 << 20)
"""How large a register may be; a larger one is Unobservable."""
_SCHEMA_LIMIT = 2 << 20
_ACCOUNTS_LIMIT = 100_000
_ERRORS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Register:
    """A register as it was read: its file, digest and last change, its entries, and what its JSON Schema says against it."""

    kind: str
    file: str
    sha256: str
    changed: datetime
    maximum_age_days: float | None
    entries: tuple[Entry, ...]
    schema_errors: tuple[str, ...]

    def __str__(self) -> str:
        """`register incidents`."""
        return f"register {self.kind.replace('_', ' ')}"


@dataclass(frozen=True, slots=True)
class InventoryColumn:
    """What the data inventory says of one column; purpose and retention are empty where it does not say."""

    table: str
    column: str
    purpose: str
    retention: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """The data inventory: its columns, the retentions that it explains, and the tables that the target leaves out, with reasons."""

    columns: tuple[InventoryColumn, ...]
    retentions: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """An account that a system has: since when (None where the system does not say), and whether it is off."""

    account: str
    since: datetime | None
    off: bool


@dataclass(frozen=True, slots=True)
class PrivacyPolicy:
    """The published privacy policy: where it is, and which countries its text names (ISO 3166-1, with the words that name them)."""

    url: str
    sentences: int
    countries: tuple[tuple[str, str], ...]


class Registers(Probe):
    """The registers that the target declares."""

    name = "registers"
    needs = ("registers",)
    sends: ClassVar[Sending] = {
        "accounts": (Sends(DATABASE, "SELECT of {table}", "the role of database.url", 2, each="registers.accounts"),),
        "privacy_policy": (Sends(HTTP, "GET {registers.privacy_policy.page}", most=7),),
    }

    @look
    def read(self, kind: str) -> Register:
        """The register of that kind, a field of the target's `registers`; raises Unobservable where there is none or it is empty."""
        described, document = self._load(kind)
        listed = self._entries(document.data, described, kind)
        entries = []
        for number, one in enumerate(listed, 1):
            if not isinstance(one, Mapping):
                raise Unobservable(f"entry {number} of the register {kind} is no mapping")
            values = renamed(
                one, {ours: theirs for ours, theirs in described.fields.items() if ours[:13] != "role_changes."}
            )
            entries.append(Entry(str(values.get("id") or values.get("name") or f"{kind} {number}"), values))
        return self._register(kind, described, document, tuple(entries))

    @look
    def inventory(self) -> Inventory:
        """The data inventory: entries with `table` and `column`, or a mapping of tables to columns under `tables`."""
        described, document = self._load("data_inventory")
        data = document.data
        columns: list[InventoryColumn] = []
        tables = data.get(described.entries or "tables") if isinstance(data, Mapping) else None
        if isinstance(tables, Mapping):
            for table, inner in tables.items():
                if not isinstance(inner, Mapping):
                    raise Unobservable(f"the data inventory does not say which columns {table} has")
                columns += [_column(table, name, values, described.fields) for name, values in inner.items()]
        else:
            for one in self._entries(data, described, "data_inventory"):
                entry = Entry("the data inventory", renamed(one, described.fields) if isinstance(one, Mapping) else {})
                names = entry.text("table"), entry.text("column")
                if not all(names):
                    raise Unobservable("an entry of the data inventory names no table and column")
                columns.append(InventoryColumn(*names, entry.text("purpose"), entry.text("retention")))
        if not columns:
            raise Unobservable("the data inventory is empty")
        retentions = data.get("retentions") if isinstance(data, Mapping) else None
        explained = [name for name, words in retentions.items() if words] if isinstance(retentions, Mapping) else []
        return Inventory(tuple(columns), tuple(explained), tuple(self._described.not_in_inventory.items()))

    @look
    def inventory_register(self) -> Register:
        """The file of the data inventory, without its entries: when it was changed, and what its JSON Schema says."""
        described, document = self._load("data_inventory")
        return self._register("data_inventory", described, document, ())

    @look
    def role_changes(self) -> tuple[Entry, ...]:
        """The entries under `role_changes` in the register of staff; empty when it has none."""
        described, document = self._load("staff")
        listed = document.data.get("role_changes") if isinstance(document.data, Mapping) else None
        if listed is not None and not (isinstance(listed, list) and all(isinstance(one, Mapping) for one in listed)):
            raise Unobservable("role_changes of the register of staff is no list of mappings")
        inner = {
            ours.partition(".")[2]: theirs for ours, theirs in described.fields.items() if ours[:13] == "role_changes."
        }
        changes = [renamed(one, inner) for one in listed or ()]
        return tuple(
            Entry(f"role change {one.get('id') or number} of {one.get('login') or 'somebody'}", one)
            for number, one in enumerate(changes, 1)
        )

    @look
    def document(self, path: str) -> Document:
        """A document that an entry names; one that does not exist is a sight, one outside the declared folder is not read."""
        return self._folder.document(f"{self._described.documents.strip('/')}/{path}".removeprefix("./"))

    @look
    def systems(self) -> tuple[str, ...]:
        """The systems whose accounts can be looked at, by name; empty when the target declares none."""
        roles = self._described.database_roles
        return (*(one.system for one in self._described.accounts), *([roles.system] if roles else []))

    @look
    def accounts(self, system: str) -> tuple[SystemAccount, ...]:
        """The accounts that a system has now; raises Unobservable when it has none, for then nothing was seen."""
        table = next((one for one in self._described.accounts if one.system == system), None)
        roles = self._described.database_roles
        if table is not None:
            found = self._table(table)
        elif roles is not None and roles.system == system:
            found = [
                SystemAccount(name, None, off=False)
                for name in self._database.login_roles()
                if name not in roles.leave_out
            ]
        else:
            raise Unobservable(f"the target does not say where the accounts of {system} are")
        if not found:
            raise Unobservable(f"{system} shows no account")
        return tuple(found)

    @look
    def privacy_policy(self) -> PrivacyPolicy:
        """The published privacy policy and the countries that it names."""
        described = self._described.privacy_policy
        if described is None:
            raise Unobservable(
                "the target does not say where the privacy policy is published (registers.privacy_policy)"
            )
        http = cast("Http", self.session.probe(Http))
        answer = http.follow_redirects(described.page)[-1]
        if answer.status != 200 or answer.media_type not in {"text/html", "application/xhtml+xml"}:
            raise Unobservable(f"the privacy policy {answer.url} answered {answer.status} {answer.media_type}")
        text = content(answer.text, described.main, answer.url).sentences
        if not text:
            raise Unobservable(f"the privacy policy {answer.url} has no text in {described.main!r}")
        return PrivacyPolicy(answer.url, len(text), countries_in("\n".join(text)))

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def _described(self) -> Description:
        if self.target.registers is None:
            raise Unobservable("the target describes no registers")
        return self.target.registers

    @property
    def _folder(self) -> KeptFolder:
        return KeptFolder(self.session.target_folder / self._described.folder)

    @property
    def _database(self) -> Database:
        return cast("Database", self.session.probe(Database))

    def _load(self, kind: str) -> tuple[Described, documents.Document]:
        described: Described | None = getattr(self._described, kind, None)
        if described is None:
            raise Unobservable(f"the target declares no register of {kind.replace('_', ' ')} (registers.{kind})")
        path = self._folder.path(described.file)
        try:
            return described, documents.load(path, LIMITS)
        except InputError as error:
            raise Unobservable(f"the register {kind} cannot be read: {error.mistakes[0]}") from error

    def _register(
        self, kind: str, described: Described, document: documents.Document, entries: tuple[Entry, ...]
    ) -> Register:
        changed = self._folder.path(described.file).stat().st_mtime
        errors = self._schema_errors(described, document.data)
        moment = datetime.fromtimestamp(changed, UTC)
        return Register(kind, described.file, document.digest, moment, described.maximum_age_days, entries, errors)

    def _entries(self, data: Any, described: Described, kind: str) -> list[Any]:
        listed = data
        if isinstance(data, Mapping):
            lists = [value for value in data.values() if isinstance(value, list)]
            listed = data.get(described.entries) if described.entries else lists[0] if len(lists) == 1 else None
        if not isinstance(listed, list):
            raise Unobservable(f"the register {kind} has no list of entries" + f" {described.entries or ''}".rstrip())
        if not listed:
            raise Unobservable(f"the register {kind} is empty")
        return listed

    def _schema_errors(self, described: Described, data: Any) -> tuple[str, ...]:
        if described.json_schema is None:
            return ()
        try:
            jsonschema: Any = importlib.import_module("jsonschema")
            registry: Any = importlib.import_module("referencing").Registry()
        except ImportError:
            raise Unobservable("JSON Schemas cannot be applied here: install upheld[registers]") from None
        try:
            schema = json.loads(self._folder.content(described.json_schema, _SCHEMA_LIMIT))
            if not isinstance(schema, dict):
                raise Unobservable(f"{described.json_schema} is no JSON Schema")
            kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
            kind.check_schema(schema)
            # An empty registry: a schema that refers to another one on the net must not have it fetched.
            found = [f"{one.json_path}: {one.validator}" for one in kind(schema, registry=registry).iter_errors(data)]
        except Missing as error:
            raise Unobservable(f"the JSON Schema {error.reason}") from None
        except (
            ValueError,
            RecursionError,
            jsonschema.SchemaError,
            jsonschema.exceptions._WrappedReferencingError,  # noqa: SLF001
        ) as error:
            raise Unobservable(f"{described.json_schema} is no JSON Schema: {type(error).__name__}") from error
        more = (f"and {len(found) - _ERRORS_SHOWN} more",) if len(found) > _ERRORS_SHOWN else ()
        return (*found[:_ERRORS_SHOWN], *more)

    def _table(self, described: AccountTable) -> list[SystemAccount]:
        names = [described.account, *filter(None, (described.since, described.off))]
        table = table_of(described.table, *names)
        with self._database.reading() as connection:
            query = sa.select(*(table.c[name] for name in dict.fromkeys(names))).limit(_ACCOUNTS_LIMIT + 1)
            rows = list(rows_of(connection, query, described.table))
        if len(rows) > _ACCOUNTS_LIMIT:
            raise Unobservable(f"{described.table} has more than {_ACCOUNTS_LIMIT} accounts")
        found = []
        for values in rows:
            since = values.get(described.since) if described.since else None
            if since is not None and not isinstance(since, datetime):
                raise Unobservable(f"{described.table}.{described.since} is no instant")
            since = since.replace(tzinfo=UTC) if since is not None and since.tzinfo is None else since
            off = described.off is not None and _is_on(values[described.off])
            found.append(SystemAccount(str(values[described.account]), since, off))
        return found


def _column(table: str, name: str, values: Plain, fields: Mapping[str, str]) -> InventoryColumn:
    entry = Entry(f"{table}.{name}", renamed(values, fields) if isinstance(values, Mapping) else {})
    return InventoryColumn(table, name, entry.text("purpose"), entry.text("retention"))


def _is_on(value: object) -> bool:
    """Whether a flag is set, or an instant is given: MySQL has flags of one bit, as bytes, and dates of zeroes for none."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).strip(b"\0") not in {b"", b"0"}
    return value not in {None, False} and not str(value).startswith("0000-00-00")
