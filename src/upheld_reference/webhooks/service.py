"""The worker's internal service: whether it is well, and the wake-up call that the API makes after a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from upheld_reference.internal.client import new_client
from upheld_reference.internal.mtls import CALLER
from upheld_reference.logs import app_log
from upheld_reference.platform import Platform


def build(wake: Callable[[], None]) -> Starlette:
    """The service; ``wake`` has the worker look at its queue."""

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def woken(request: Request) -> Response:
        if request.scope.get(CALLER) != "api":  # who may only look whether the worker is well wakes nobody
            return JSONResponse({"error": "this service may not"}, 403)
        wake()
        return Response(status_code=204)

    return Starlette(routes=[Route("/health", health, methods=["GET"]), Route("/wake", woken, methods=["POST"])])


class WorkerClient:
    """The worker as another service sees it."""

    def __init__(self, platform: Platform, caller: str) -> None:
        """Calls as the service ``caller``, from the first call on."""
        self._platform = platform
        self._caller = caller
        self._http: httpx.AsyncClient | None = None
        self._calls: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Tells the worker, after a commit, that there is something in its queue, and does not wait for the answer.

        A call that fails is logged and costs time only: the worker looks at its queue by itself as well.
        """
        call = asyncio.create_task(self._wake(), name="wake the worker")
        self._calls.add(call)  # else nothing would hold the task
        call.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Closes the connections."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()

    async def _wake(self) -> None:
        if self._http is None:
            self._http = new_client(self._platform, "worker", self._caller)
        try:
            (await self._http.post("/wake")).raise_for_status()
        except httpx.HTTPError as error:
            app_log.warning("the worker was not woken: %s", type(error).__name__)
