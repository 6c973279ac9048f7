"""The registers as a part of the deployment."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

from upheld_reference.parts import Part
from upheld_reference.registers import attestations, writing
from upheld_reference.registers.clock import Clock


class RegistersPart(Part):
    """What the company keeps records of, beside what its systems know."""

    _writing: asyncio.Task[None] | None = None

    @property
    def folder(self) -> Path:
        """Where the registers are."""
        return self.platform.folder / "registers"

    async def prepare(self) -> None:
        """Begins to write the registers, while the other parts are prepared."""
        clock = Clock(dt.datetime.now(dt.UTC))
        self._writing = asyncio.create_task(asyncio.to_thread(writing.write, self.folder, clock))

    async def settle(self) -> None:
        """Waits until the registers are written."""
        if self._writing is not None:
            await self._writing

    async def close(self) -> None:
        """Waits for a writer that is still at work, so that nothing is written into a folder that is being removed."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def facts(self) -> dict[str, Any]:
        """Where each register, schema and statement lies."""
        statements = self.folder / attestations.FOLDER
        claims = sorted(path.stem for path in statements.glob("*.yaml"))
        return {
            "registers": {
                "folder": str(self.folder),
                "schemas": str(self.folder / writing.SCHEMAS),
                "files": {name.replace("-", "_"): str(self.folder / f"{name}.yaml") for name in writing.NAMES},
                "attestations": {
                    claim: {"file": str(statements / f"{claim}.yaml"), "namespace": attestations.namespace(claim)}
                    for claim in claims
                },
                "allowed_signers": str(statements / attestations.ALLOWED_SIGNERS),
            }
        }
