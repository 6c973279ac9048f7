"""The host facts, as a part of the deployment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from upheld_reference.host import access, patching, processes, provider, recording, storage
from upheld_reference.parts import Part


class HostPart(Part):
    """Carries what was recorded of the production host."""

    def build(self) -> None:
        """Writes the recordings and their manifest."""
        now = datetime.now(UTC)
        recordings = {
            **storage.recordings(),
            **access.recordings(),
            **patching.recordings(now),
            **provider.recordings(),
            **processes.recordings(),
        }
        recording.write(self._folder, recordings, now)

    @property
    def _folder(self) -> Path:
        return self.platform.folder / "host-facts"

    def facts(self) -> dict[str, Any]:
        """Where the recordings are, and what is meant to be found in them."""
        fingerprints: dict[str, list[str]] = {}
        for key in access.DECLARED_KEYS:
            fingerprints.setdefault(key.account, []).append(key.fingerprint)
        return {
            "host_facts": {
                "folder": str(self._folder),
                "manifest": str(self._folder / recording.MANIFEST),
                "label": recording.LABEL,
                "host": recording.HOST,
                "services": [*(f"rivet-{name}" for name in access.SERVICES), "postgres"],
                "service_accounts": [*(f"rivet-{name}" for name in access.SERVICES), "postgres", access.DEPLOY],
                "break_glass_accounts": [access.BREAK_GLASS],
                "authorized_fingerprints": fingerprints,
            }
        }
