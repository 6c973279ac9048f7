"""The database of a deployment and the services over it, which all parts share.

uvicorn must run with ``proxy_headers=False``, for it would otherwise replace the peer's address by what a local client
writes in X-Forwarded-For.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from upheld_reference import services
from upheld_reference.api.lockout import Lockout
from upheld_reference.api.tokens import TokenSigner
from upheld_reference.audit.log import AuditLog
from upheld_reference.database import roles, schema, seed
from upheld_reference.database.scope import new_pool
from upheld_reference.deletion import Deletion
from upheld_reference.jobs import Retention
from upheld_reference.network import internet
from upheld_reference.network.guard import Guard
from upheld_reference.parts import Part
from upheld_reference.platform import Platform
from upheld_reference.services import Services
from upheld_reference.vault.client import VaultClient
from upheld_reference.webhooks.service import WorkerClient


async def prepare_database(platform: Platform, connectable: Awaitable[None], parts: Sequence[Part]) -> None:
    """Creates roles (their URLs go to ``platform.urls``), schema and first rows, and the services over them.

    Once ``connectable`` is done, ``platform.urls["superuser"]`` is set and PostgreSQL accepts connections; the
    passwords' slow hashes are computed meanwhile. ``platform.schema`` runs after the schema of the application,
    ``platform.seed`` after the first rows of all ``parts``.
    """
    settings = platform.settings
    planned = seed.plan(settings.retention_days_default)
    hashes = asyncio.create_task(asyncio.to_thread(seed.hash_all, planned.identities))
    await connectable
    superuser_url = platform.urls["superuser"]
    async with await AsyncConnection.connect(superuser_url, autocommit=True, row_factory=dict_row) as superuser:
        passwords = await roles.create_roles(superuser)
        for name, password in passwords.items():
            platform.urls[name] = roles.url_for(platform, name, password)
        await schema.run(superuser, [*schema.scripts(), *platform.schema])
        async with superuser.transaction():
            await seed.sow(superuser, planned, hashes, platform.exports)
            for part in parts:
                await part.seed(superuser, planned)
        await schema.run(superuser, platform.seed)
    pool = new_pool(platform.urls["application"])
    await pool.open(wait=True)
    outbound = internet.outbound(platform)
    vault = VaultClient(platform, "api")
    services.register(
        platform,
        Services(
            pool=pool,
            audit=AuditLog(pool),
            vault=vault,
            signer=TokenSigner(settings.token_lifetime_seconds),
            session_lifetime_seconds=settings.session_lifetime_seconds,
            deletion_after_days=settings.deletion_after_days,
            token_rotation_advised_days=settings.token_rotation_advised_days,
            lockout=Lockout(settings.lockout_failures, settings.lockout_seconds),
            outbound=outbound,
            guard=Guard(outbound.resolver, settings.public_network, settings.webhook_ports),
            worker=WorkerClient(platform, "api"),
            retention=Retention(platform.urls["retention"], platform.exports, settings.retention_interval_seconds),
            deletion=Deletion(
                platform.urls["deletion"],
                vault,
                [platform.exports],
                settings.deletion_after_days,
                settings.deletion_interval_seconds,
            ),
            exports=platform.exports,
            seed=planned,
        ),
    )


async def close(platform: Platform) -> None:
    """Closes all connections of the application."""
    parts = services.of(platform)
    await parts.retention.close()
    await parts.worker.close()
    await parts.deletion.close()
    await parts.vault.close()
    await parts.pool.close()
