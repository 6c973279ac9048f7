"""The sandbox's internet, as a part of the deployment: its zone file, and what a receiver of webhooks there needs."""

from __future__ import annotations

from typing import Any

from upheld_reference.network import internet
from upheld_reference.parts import Part


class NetworkPart(Part):
    """Writes the zone file before anybody looks a name up."""

    async def prepare(self) -> None:
        """Every listener has a name; the rest of the internet is empty until somebody adds to it."""
        internet.furnish(self.platform)

    def facts(self) -> dict[str, Any]:
        """Where the zone file is, which addresses are public, and how to be a receiver there."""
        return internet.facts(self.platform)
