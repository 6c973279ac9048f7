"""Credentials on their way: let in through the real entrances, found again sealed, read back, rotated, used.

A check sees a credential only as its placeholder. Whole values stay in this probe, which the redactor knows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.api_logins import at
from upheld.probes.api_requests import build, fill, generated
from upheld.probes.base import Probe, look
from upheld.probes.canaries import Canaries, Canary
from upheld.probes.logs import READS, LogMark, Logs
from upheld.probes.planted import Changes, Planted
from upheld.probes.sealed import Sealed, SealedValue
from upheld.probes.search import Searcher
from upheld.probes.sending import AS_MEMBERS, HTTP, PLANTS, WRITES, Sending, Sends, reading
from upheld.probes.waiting import patient

if TYPE_CHECKING:
    from upheld.probes.base import Session
    from upheld.probes.http_client import Answer
    from upheld.target.credentials import CredentialCall, CredentialFlow
    from upheld.target.data import SealedColumn

LOG_SECONDS = 5.0
"""Seconds in which a log must show a call that was made."""
_CALLS = (
    *AS_MEMBERS,
    Sends(
        HTTP,
        "{call:enter.operation}, a made-up credential ({name})",
        "{enter.identity}",
        1,
        PLANTS,
        each="credential_flows",
    ),
    Sends(
        HTTP,
        "{call:rotate.operation}, another in its place",
        "{enter.identity}",
        1,
        PLANTS,
        each="credential_flows",
    ),
    Sends(
        HTTP,
        "{call:remove.operation}, to remove it",
        "{enter.identity}",
        1,
        PLANTS,
        each="credential_flows",
    ),
    Sends(
        HTTP,
        "{call:use.call.operation}, which uses it",
        "{enter.identity}",
        1,
        WRITES,
        each="credential_flows",
    ),
    Sends(HTTP, "{call:reads.operation}", "{enter.identity}, and others", 1, each="credential_flows"),
)


@dataclass(frozen=True, slots=True)
class Kind:
    """A declared kind of credential, and what can be looked at."""

    name: str
    column: str
    made_here: bool
    reads: tuple[str, ...]
    rotates: bool
    used: bool

    def __str__(self) -> str:
        """Its name."""
        return self.name


@dataclass(frozen=True, slots=True)
class Entered:
    """A credential that was let in or made: its placeholder, what was answered, and what it belongs to (empty where it failed)."""

    kind: str
    secret: str
    status: int
    done: bool
    belongs_to: str


@dataclass(frozen=True, slots=True)
class StoredForm:
    """The values of the declared column that hold a credential, opened or as they stand, of `total` that there are."""

    values: tuple[SealedValue, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What an operation answered later: whether it named what the credential belongs to, and in what spellings it showed it."""

    operation: str
    status: int
    names_it: bool
    shown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A call that was to use a credential, and how often the log then marks each of the credentials asked for."""

    status: int
    done: bool
    marked: tuple[tuple[str, int], ...]

    def times(self, secret: str) -> int:
        """How often the log marks that credential."""
        return dict(self.marked).get(secret, 0)


class Credentials(Probe):
    """The credentials under `credential_flows` in the target."""

    name = "credentials"
    needs = ("credential_flows",)
    sends: ClassVar[Sending] = {
        **dict.fromkeys(("enter", "rotate", "remove", "read_back"), _CALLS),
        "use": (*_CALLS, *READS),
        "stored_form": reading("sealed_url", "of sealed columns") + reading("url", "of sealed columns"),
    }

    def __init__(self, session: Session) -> None:
        """Lets nothing in yet."""
        super().__init__(session)
        self._whole: dict[str, str] = {}
        self._changes = Changes(session.journal)

    @look
    def declared(self) -> tuple[Kind, ...]:
        """The declared kinds; raises Unobservable when there is none."""
        if not self.target.credential_flows:
            raise Unobservable("the target declares no kind of credential (credential_flows)")
        return tuple(
            Kind(
                one.name,
                one.sealed_in,
                one.shown is not None,
                tuple(call.operation for call in one.reads),
                one.rotate is not None,
                one.use is not None,
            )
            for one in self.target.credential_flows
        )

    @look
    def enter(self, kind: str) -> Entered:
        """Let a fresh credential of that kind in, or have one made."""
        flow = self._flow(kind)
        return self._enter(flow, flow.enter, "")

    @look
    def rotate(self, kind: str, before: Entered) -> Entered:
        """Replace a credential that was let in by a fresh one."""
        flow = self._flow(kind)
        if flow.rotate is None:
            raise Unobservable(f"the target does not say how a {kind} is rotated (rotate)")
        return self._enter(flow, flow.rotate, before.belongs_to)

    @look
    def stored_form(self, entered: Entered) -> StoredForm:
        """How the declared column holds the credential."""
        flow = self._flow(entered.kind)
        value = self.session.redactor.value(entered.secret)
        searcher = Searcher([value])
        found, total = [], 0
        for sealed, stored, plaintext in self._sealed.rows(self._column(flow)):
            total += 1
            if plaintext is not None and value.encode() in plaintext:
                self._remember(entered.secret, plaintext)
                found.append(sealed)
            elif plaintext is None and searcher.encodings_in(stored):
                if value.encode() in stored:
                    self._remember(entered.secret, stored)
                found.append(sealed)
        return StoredForm(tuple(found), total)

    @look
    def read_back(self, entered: Entered) -> tuple[ReadBack, ...]:
        """What the declared operations answer about what the credential belongs to."""
        flow = self._flow(entered.kind)
        value = self.session.redactor.value(entered.secret)
        found = []
        for call in flow.reads:
            answer = self._call(call, call.identity or flow.enter.identity, {"id": entered.belongs_to})
            shown = tuple(spelling for _, spelling in Searcher([value]).encodings_in(_bytes(answer)))
            named = bool(entered.belongs_to) and entered.belongs_to in answer.text
            found.append(ReadBack(call.operation, answer.status, named and answer.status in call.statuses, shown))
        return tuple(found)

    @look
    def use(self, kind: str, secrets: tuple[str, ...]) -> Use:
        """Have a call made that uses the kind's present credential, and see which of `secrets` (placeholders) the log marks."""
        flow = self._flow(kind)
        if flow.use is None:
            raise Unobservable(f"the target does not say how a {kind} is seen in use (use)")
        # A log that holds the credential itself shows its use too, which another check refutes.
        marks = {secret: (_marked(flow.use.mark, whole := self._known(secret)), whole) for secret in secrets}
        logs = cast("Logs", self.session.probe(Logs))
        before: LogMark = logs.mark()
        answer = self._call(flow.use.call, flow.use.call.identity or flow.enter.identity, {})
        counts = dict.fromkeys(secrets, 0)
        until = time.monotonic() + LOG_SECONDS
        while True:
            for secret, words in marks.items():
                counts[secret] = sum(logs.contains(word, since=before).count for word in words)
            if any(counts.values()) or time.monotonic() > until:
                break
            time.sleep(0.1)
        return Use(answer.status, answer.status in flow.use.call.statuses, tuple(counts.items()))

    @look
    def remove(self, entered: Entered) -> int:
        """Undo what let the credential in, where the target says how; gives the status, 0 where there is nothing to undo."""
        flow = self._flow(entered.kind)
        if flow.remove is None or not entered.belongs_to:
            return 0
        status, done = self.undo(entered.kind, entered.belongs_to)
        if done:
            self._changes.back(f"{entered.kind} {entered.belongs_to}")
        return status

    def undo(self, kind: str, belongs_to: str) -> tuple[int, bool]:
        """Undo what let a credential in; gives the status, and whether that shows that it was done. Raises Unobservable."""
        flow = self._flow(kind)
        if flow.remove is None:
            raise Unobservable(f"the target names no operation that removes a {kind} (remove)")
        who = flow.remove.identity or flow.enter.identity
        status = self._call(flow.remove, who, {"id": belongs_to}).status
        return status, status in flow.remove.statuses

    # --- how -----------------------------------------------------------------------------------------------------------

    def _enter(self, flow: CredentialFlow, call: CredentialCall, belongs_to: str) -> Entered:
        canary, value = self._fresh(flow.name)
        identity = call.identity or flow.enter.identity
        title = f"a {flow.name} that {call.operation} let in as {identity}"
        note = None if belongs_to else self.session.journal.about(Planted("credential", title, kind=flow.name))
        answer = self._call(call, identity, {"canary": value, "id": belongs_to})
        done = answer.status in call.statuses
        if note is not None and not done:
            note.gone()
        secret = canary.placeholder
        if done and flow.shown is not None:
            shown = at(answer.json(), flow.shown)
            if not isinstance(shown, str) or len(shown) < 12:
                raise Unobservable(f"the answer shows no {flow.name} at {flow.shown}")
            secret = self.session.redactor.add(shown, f"{canary.name}, shown once as {canary.placeholder[10:-1]}")
            self._whole[secret] = shown
        identifier = str(at(answer.json(), flow.id)) if done and not belongs_to else belongs_to
        if note is not None and done:
            note.known(identifier)
            self._changes.has(f"{flow.name} {identifier}", note)
        return Entered(flow.name, secret, answer.status, done, identifier)

    def _call(self, call: CredentialCall, identity: str | None, values: Mapping[str, str]) -> Answer:
        return self._send(call.operation, identity, call.json_body, call.parameters, values)

    def _send(
        self,
        operation: str,
        identity: str | None,
        body: Any,
        parameters: Mapping[str, str],
        values: Mapping[str, str],
    ) -> Answer:
        api = self._api
        who = api.identity(identity) if identity else None
        tenant = api.tenant_id(who.tenant) if who else ""
        filled = {**generated(), "tenant": tenant, **values}
        one = api.document.operation(operation)
        replaced = {f"path {name}": str(fill(template, filled)) for name, template in parameters.items()}
        # A body of its own replaces the one of the API's recipe, whose placeholders then need nothing.
        request = build(one, api.description, api.endpoint, _Anything(filled) if body is not None else filled, replaced)
        if body is not None:
            headers = {**dict(request.headers), "Content-Type": "application/json"}
            content = json.dumps(fill(body, filled)).encode()
            request = dataclasses.replace(request, headers=tuple(headers.items()), content=content)
        header = api.authorization(identity)
        client = api.client("")
        answer, _ = patient(
            lambda: client.send(
                request.method, request.url, headers={**dict(request.headers), **header}, content=request.content
            ),
            api.described.limited,
            operation,
        )
        return answer

    def _fresh(self, name: str) -> tuple[Canary, str]:
        canary = cast("Canaries", self.session.probe(Canaries)).fresh(name)
        return canary, self.session.redactor.value(canary.placeholder)

    def _remember(self, secret: str, plaintext: bytes) -> None:
        text = plaintext.decode("utf-8", "replace")
        self._whole[secret] = text
        self.session.redactor.add(text, f"whole value of {secret[10:-1]}")

    def _known(self, secret: str) -> str:
        if secret not in self._whole:
            raise Unobservable("the whole credential is not known, for it was not found where it should be sealed")
        return self._whole[secret]

    def _flow(self, kind: str) -> CredentialFlow:
        found = next((one for one in self.target.credential_flows if one.name == kind), None)
        if found is None:
            raise Unobservable(f"the target declares no kind of credential called {kind!r} (credential_flows)")
        return found

    def _column(self, flow: CredentialFlow) -> SealedColumn:
        encryption = self.target.encryption
        table, _, column = flow.sealed_in.rpartition(".")
        found = (
            next((one for one in encryption.columns if (one.table, one.column) == (table, column)), None)
            if encryption
            else None
        )
        if found is None:
            raise Unobservable(f"the target does not describe how {flow.sealed_in} is sealed (encryption.columns)")
        return found

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    @property
    def _sealed(self) -> Sealed:
        return cast("Sealed", self.session.probe(Sealed))


class _Anything(dict[str, str]):
    """Values for a body that is thrown away: every placeholder has one."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return key


def _bytes(answer: Answer) -> bytes:
    heads = "\n".join(f"{name}: {text}" for name, text in answer.headers)
    return f"{heads}\n\n{answer.text}".encode("utf-8", "surrogateescape")


def _marked(template: str, value: str) -> str:
    digest = hashlib.sha256(value.encode()).hexdigest()
    return re.sub(r"\{sha256(?::(\d+))?\}", lambda match: digest[: int(match[1] or 64)], template)
