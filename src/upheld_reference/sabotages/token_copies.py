"""Plain copies of WhatsApp access tokens, made between their receipt and the vault's table.

The sealed value in the vault's table is right in all of them. What a copy breaks depends on where it is: one that stays is a
plaintext credential; one that is there only meanwhile is no more than a token that was not encrypted at once.
"""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from upheld_reference import logs
from upheld_reference.graph.client import GraphAnswerError, GraphClient, SignUp, debug_log
from upheld_reference.platform import Platform
from upheld_reference.sabotages import rewriting, sabotage
from upheld_reference.vault import store
from upheld_reference.vault.service import VaultService
from upheld_reference.vault.store import Kind, Sealed, Store

_RECEIPT = "token-encrypted-on-receipt"
_ANYWHERE = "no-plaintext-credentials"
_LOGGED = "tokens-never-logged"


@sabotage(
    breaks=(_ANYWHERE, _RECEIPT),
    shows=(
        "table vault.sign_up_answers (plain",
        "write-ahead log",
    ),
)
def token_in_json_column(platform: Platform) -> None:
    """What Meta answered to a sign-up is kept whole, token included, in a JSON column."""
    _table(platform, "sign_up_answers", "answer", "jsonb", "What Meta answered")
    _copying(
        platform, "sign_up_answers", "answer", lambda token: Jsonb({"access_token": token, "token_type": "bearer"})
    )


@sabotage(
    breaks=(_ANYWHERE, _RECEIPT),
    shows=(
        "table vault.sign_up_queue (base64",
        "write-ahead log",
    ),
)
def token_base64_in_queue_table(platform: Platform) -> None:
    """Each sign-up leaves a row in a queue, whose payload is the token in base64."""
    _table(platform, "sign_up_queue", "payload", "text", "What a job works on")
    _copying(platform, "sign_up_queue", "payload", lambda token: b64encode(token.encode()).decode())


@sabotage(breaks=(_RECEIPT,), shows=("WhatsApp access token in write-ahead log (plain",))
def token_parked_in_pending_table(platform: Platform) -> None:
    """A new token lies in a table of pending sign-ups, in plain text, until Meta has subscribed its account."""
    _table(platform, "pending_sign_ups", "token", "text", "The token, until the account is subscribed")
    _copying(platform, "pending_sign_ups", "token", lambda token: token)
    _removing(platform, "pending_sign_ups")


@sabotage(breaks=(_RECEIPT,), shows=("WhatsApp access token in write-ahead log (plain",))
def token_plain_in_job_queue(platform: Platform) -> None:
    """The subscription of a new account is a job, which has the token in plain text until it is done."""
    _table(platform, "jobs", "arguments", "jsonb", "What the job works with")
    _copying(platform, "jobs", "arguments", lambda token: Jsonb({"job": "subscribe", "token": token}))
    _removing(platform, "jobs")


@sabotage(
    breaks=(_LOGGED, _ANYWHERE, _RECEIPT),
    shows=(
        "canary",
        "debug",
        "WhatsApp access token in debug.log",
    ),
)
def token_in_debug_log(platform: Platform) -> None:
    """The debug log tells of each new token, and has a format of its own that redacts nothing."""
    exchange = GraphClient.exchange

    async def telling(self: GraphClient, code: str) -> SignUp:
        sign_up = await exchange(self, code)
        debug_log.debug("exchanged a code for %s", sign_up.access_token)
        return sign_up

    platform.replace(GraphClient, "exchange", telling)
    platform.on("built", lambda _built: _unredacted("debug.log"))


@sabotage(
    breaks=(_LOGGED, _ANYWHERE, _RECEIPT),
    shows=(
        "canary",
        "error.log",
    ),
)
def token_in_error_log_when_graph_fails(platform: Platform) -> None:
    """When Meta's answer to a sign-up lacks something, the error log quotes it with the token, and redacts nothing."""

    def quoting(self: GraphAnswerError) -> str:
        return f"Graph answered without {self.missing}: {json.dumps(self.answer)}"

    platform.replace(GraphAnswerError, "__str__", quoting)
    platform.on("built", lambda _built: _unredacted("error.log"))


def _unredacted(name: str) -> None:
    """Has the log file of that name written without redaction."""
    for handler in (*logging.getLogger().handlers, *logs.app_log.handlers):
        if isinstance(handler, logging.FileHandler) and handler.baseFilename.endswith(name):
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))


def _table(platform: Platform, table: str, column: str, kind: str, purpose: str) -> None:
    """Adds a table of the vault's for something about sign-ups."""
    platform.schema.append(f"""
        CREATE TABLE vault.{table} (
            account_id uuid NOT NULL, {column} {kind} NOT NULL, created_at timestamptz NOT NULL DEFAULT now()
        );
        ALTER TABLE vault.{table} OWNER TO rivet_vault_owner;
        GRANT SELECT, INSERT, DELETE ON vault.{table} TO rivet_vault;
        GRANT SELECT ON vault.{table} TO rivet_vault_auditor;
    """)
    purposes = {"account_id": "Whose sign-up it is", column: purpose, "created_at": "When it came"}
    # It may be audited, and inventory and list of grants tell the truth about it, so that nothing is wrong but the copy.
    rewriting.granted(platform, "rivet_vault", {f"vault.{table}": ["DELETE", "INSERT", "SELECT"]})
    rewriting.granted(platform, "rivet_vault_auditor", {f"vault.{table}": ["SELECT"]})
    rewriting.inventory(platform, f"vault.{table}", purposes, "operational")


def _copying(platform: Platform, table: str, column: str, written: Any) -> None:
    """Has a token written to the column, as ``written`` makes it, before anything else is done with it."""
    receive = VaultService.receive

    async def parking(self: VaultService, account_id: UUID, code: str) -> tuple[dict[str, str], Sealed]:
        ids, sealed = await receive(self, account_id, code)
        token = self.store.unseal(store.TOKENS, sealed)
        async with self.store.pool.connection() as db:
            query = f"INSERT INTO vault.{table} (account_id, {column}) VALUES (%s, %s)"  # noqa: S608 - two constants
            await db.execute(query.encode(), [account_id, written(token)])
        return ids, sealed

    platform.replace(VaultService, "receive", parking)


def _removing(platform: Platform, table: str) -> None:
    """Has the row of an account removed from the table as soon as its token is kept."""
    keep = Store.keep

    async def keep_and_remove(self: Store, kind: Kind, workspace_id: UUID, belongs_to: UUID, sealed: Sealed) -> None:
        await keep(self, kind, workspace_id, belongs_to, sealed)
        async with self.pool.connection() as db:
            query = f"DELETE FROM vault.{table} WHERE account_id = %s"  # noqa: S608 - a constant
            await db.execute(query.encode(), [belongs_to])

    platform.replace(Store, "keep", keep_and_remove)
