"""The credentials that a deployment starts with."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from upheld_reference.database import copying
from upheld_reference.database.scope import Connection
from upheld_reference.database.seed import Workspace
from upheld_reference.vault import sealing
from upheld_reference.vault.sealing import Sealer

TOKEN_AGES_DAYS = (20, 200)
"""How long ago the tokens of a workspace's numbers came from Meta: the last is older than is advised."""


async def sow(db: Connection, workspace: Workspace, sealer: Sealer) -> None:
    """Puts tokens, webhook secrets and integration keys of one workspace into the vault's tables."""

    def sealed(where: str, plaintext: str) -> dict[str, Any]:
        row_id = uuid4()
        value = sealer.seal(plaintext.encode("ascii"), where, row_id)
        return {"id": row_id, "workspace_id": workspace.id, "sealed": value, "key_id": sealer.key_id}

    now = datetime.now(UTC)
    tokens = [
        {
            **sealed(sealing.WHATSAPP_TOKENS, f"EAAG{secrets.token_urlsafe(60)}"),
            "account_id": account,
            "received_at": now - timedelta(days=age),
        }
        for account, age in zip(workspace.objects["whatsapp_accounts"], TOKEN_AGES_DAYS, strict=True)
    ]
    await copying.copy(db, "vault.whatsapp_tokens", tokens)
    webhook_secrets = [
        {**sealed(sealing.WEBHOOK_SECRETS, f"whsec_{secrets.token_urlsafe(32)}"), "webhook_id": hook}
        for hook in workspace.objects["webhooks"]
    ]
    await copying.copy(db, "vault.webhook_secrets", webhook_secrets)
    # A customer enters the same key for two integrations: the two ciphertexts still have nothing in common.
    reused = f"ik_{secrets.token_urlsafe(32)}"
    keys = [("crm", reused), ("helpdesk", reused), ("billing", f"ik_{secrets.token_urlsafe(32)}")]
    await copying.copy(
        db, "vault.integration_keys", [{**sealed(sealing.INTEGRATION_KEYS, key), "name": name} for name, key in keys]
    )
