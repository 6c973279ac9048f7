"""Calls that leave the platform for somebody whom nobody was told of."""

from __future__ import annotations

import asyncio
import contextlib

import httpx

from upheld_reference import pki, services
from upheld_reference.network import internet
from upheld_reference.network.transport import trusting
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage

_HOST = "ingest.insight-metrics.example"
_ADDRESS = "127.80.255.1"
_PAUSE_SECONDS = 1.0
_tasks: set[asyncio.Task[None]] = set()


@sabotage(
    breaks=("credentials-not-shared", "subprocessors-dpa"),
    shows=(
        "ingest.insight-metrics.example",
        "not declared",
        "in no entry",
    ),
)
def undeclared_host_contacted(platform: Platform) -> None:
    """The platform reports every second to the collector of an analytics company that it has declared to nobody."""

    async def start(running: Platform) -> None:
        port = await _collector(running)
        _tasks.add(asyncio.create_task(_report(running, f"https://{_HOST}:{port}/v1/events"), name="usage metrics"))

    platform.on("settled", start)


async def _collector(platform: Platform) -> int:
    """Somebody else's server on the sandbox's internet; returns its port."""
    if platform.authority is None:
        raise TypeError("the authority of the public names is made before anything serves")
    context = pki.server_context()
    pki.current_credential(platform.authority, _HOST, 30).load_into(context, platform.secrets)

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(take, _ADDRESS, 0, ssl=context)
    with (internet.folder(platform) / "hosts").open("a", encoding="utf-8") as zone:
        zone.write(f"{_ADDRESS} {_HOST}\n")
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _report(platform: Platform, url: str) -> None:
    transport = services.of(platform).outbound.transport("metrics", trusting(platform.ca_file), keep_alive=False)
    async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                await client.post(url, json={"listeners": len(platform.listeners)})
            await asyncio.sleep(_PAUSE_SECONDS)
