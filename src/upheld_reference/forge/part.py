"""The forge as a part of the deployment."""

from __future__ import annotations

import secrets
from typing import Any

from upheld_reference.codebase import protection
from upheld_reference.codebase.part import CodebasePart
from upheld_reference.codebase.record import Record
from upheld_reference.forge import app
from upheld_reference.forge.accounts import AUDITOR, OWNER
from upheld_reference.forge.world import REPOSITORY, World
from upheld_reference.parts import Part
from upheld_reference.platform import ListenerPlan, Platform

FORGE = ListenerPlan("forge", "forge.rivet.example", audience="outside")
"""Where the platform's people and pipelines reach it."""


class ForgePart(Part):
    """Answers for the repository in a forge's place."""

    listeners = (FORGE,)

    def __init__(self, platform: Platform, codebase: CodebasePart) -> None:
        """Shows what ``codebase`` has written."""
        super().__init__(platform)
        self._codebase = codebase
        self._record: Record | None = None
        self._token = f"github_pat_{secrets.token_hex(11)}_{secrets.token_hex(29)}"
        self._narrow_token = f"github_pat_{secrets.token_hex(11)}_{secrets.token_hex(29)}"

    async def prepare(self) -> None:
        """Waits for the repository."""
        self._record = await self._codebase.record()

    def build(self) -> None:
        """Knows two tokens: one for reading everything, one that may not read the repository's administration."""
        if self._record is None:
            raise RuntimeError("the repository is not written yet")
        listener = self.platform.listeners[FORGE.name]
        world = World(listener.url, self._record, protection.of_main())
        tokens = {self._token: app.ALL_RIGHTS, self._narrow_token: app.ALL_RIGHTS - {"administration"}}
        listener.app = app.build(world, tokens)

    def facts(self) -> dict[str, Any]:
        """How an auditor reads it."""
        return {
            "forge": {
                "kind": "github",
                "url": self.platform.listeners[FORGE.name].url,
                "owner": OWNER,
                "repository": REPOSITORY,
                "account": AUDITOR,
                "token": self._token,
                "narrow_token": self._narrow_token,
            }
        }
