"""Putting the staff console together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI

from upheld_reference.api import errors
from upheld_reference.api.app import BodyLimit
from upheld_reference.staff import roles
from upheld_reference.staff.console import Console
from upheld_reference.staff.routes import accounts, audit_log, break_glass, customers, entrance


class StaffConsole(FastAPI):
    """The console; its OpenAPI document says which operations need no session."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI 3.1 document."""
        if self.openapi_schema is None:
            for path in super().openapi()["paths"].values():
                for operation in path.values():
                    if operation["operationId"] in roles.PUBLIC_OPERATIONS:
                        operation["security"] = []
        return super().openapi()


def build(console: Callable[[], Console], url: Callable[[], str]) -> StaffConsole:
    """The console over what ``console`` returns once the first request comes; ``url`` is where people reach it."""
    app = StaffConsole(title="Rivet staff console", version="1", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.console = console
    app.state.url = url
    app.add_middleware(BodyLimit)
    errors.add_to(app)
    for module in (entrance, customers, accounts, break_glass, audit_log):
        # One flat list: the rate limit tells paths apart by it.
        app.router.routes.extend(module.router.routes)
    return app
