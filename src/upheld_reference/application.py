"""The application part of a deployment: database, API, Graph stand-in and jobs, as the server process calls them.

Order of calls: `prepare_database`, which itself waits until PostgreSQL accepts connections, then
`run_retention_once`, then `run_jobs` as a task, and `close` when the server stops. `build_api` and `build_graph` may be
called at any time; neither app needs a lifespan.

The server wraps every public app the same way, outermost first: SecureHeaders, AccessLog, RateLimit, app, with
``RateLimit(app, platform, routes=app.routes)`` from `upheld_reference.api.limits`. uvicorn must run with
``proxy_headers=False``, for it would otherwise replace the peer's address by what a local client writes in
X-Forwarded-For.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from upheld_reference import services
from upheld_reference.api import app
from upheld_reference.api.lockout import Lockout
from upheld_reference.api.tokens import TokenSigner
from upheld_reference.database import describe, roles, schema, seed
from upheld_reference.database.scope import new_pool
from upheld_reference.graph import standin
from upheld_reference.graph.client import GraphClient
from upheld_reference.jobs import Retention
from upheld_reference.platform import Asgi, Platform
from upheld_reference.services import Services
from upheld_reference.vault import Vault


async def prepare_database(platform: Platform, connectable: Awaitable[None]) -> None:
    """Creates roles (their URLs go to ``platform.urls``), schema and first rows, and the services over them.

    Once ``connectable`` is done, ``platform.urls["superuser"]`` is set and PostgreSQL accepts connections; the
    passwords' slow hashes are computed meanwhile. ``platform.schema`` runs after the schema of the application,
    ``platform.seed`` after its first rows.
    """
    settings = platform.settings
    planned = seed.plan(settings.retention_days_default)
    hashes = asyncio.create_task(asyncio.to_thread(seed.hash_all, planned.identities))
    vault = Vault.create(platform.secrets)
    await connectable
    superuser_url = platform.urls["superuser"]
    async with await AsyncConnection.connect(superuser_url, autocommit=True, row_factory=dict_row) as superuser:
        passwords = await roles.create_roles(superuser)
        for name, password in passwords.items():
            platform.urls[name] = roles.url_for(superuser_url, roles.LOGIN_ROLES[name], password)
        await schema.run(superuser, [schema.SCRIPT, *platform.schema])
        async with superuser.transaction():
            await seed.sow(superuser, planned, hashes, vault, platform.exports)
        await schema.run(superuser, platform.seed)
    pool = new_pool(platform.urls["application"])
    await pool.open(wait=True)
    services.register(
        platform,
        Services(
            pool=pool,
            vault=vault,
            signer=TokenSigner(settings.token_lifetime_seconds),
            lockout=Lockout(settings.lockout_failures, settings.lockout_seconds),
            graph=GraphClient(lambda: platform.listeners["graph"].url, platform.ca_file),
            retention=Retention(platform.urls["retention"], platform.exports, settings.retention_interval_seconds),
            exports=platform.exports,
            seed=planned,
        ),
    )


def build_api(platform: Platform) -> app.Api:
    """The API; its ``routes`` are what the rate limit tells paths apart by."""
    return app.build(lambda: services.of(platform))


def build_graph(platform: Platform) -> Asgi:
    """The stand-in for Meta's Graph API."""
    return standin.build(platform.logs)


async def run_jobs(platform: Platform) -> None:
    """Runs the background jobs until cancelled."""
    await services.of(platform).retention.run()


async def run_retention_once(platform: Platform) -> None:
    """Runs the retention job one time; raises what goes wrong in it."""
    await services.of(platform).retention.once()


async def close(platform: Platform) -> None:
    """Closes all connections of the application."""
    parts = services.of(platform)
    await parts.retention.close()
    await parts.graph.close()
    await parts.pool.close()


def facts(platform: Platform) -> dict[str, Any]:
    """What deployment.json tells of the application: who, where and what is promised; plain JSON types only."""
    return describe.facts(platform, services.of(platform))
