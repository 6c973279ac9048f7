"""The repository as a part of the deployment."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

from upheld_reference.codebase import areas, changes, history, record, tree, writing
from upheld_reference.codebase.record import Record
from upheld_reference.parts import Part
from upheld_reference.platform import Platform

ADVISORIES = Path(__file__).with_name("advisories")
"""A small mirror of advisories, one OSV record a file: a sample of one that a nightly job would bring up to date."""


class CodebasePart(Part):
    """Writes the repository and the deploy log while PostgreSQL starts."""

    def __init__(self, platform: Platform) -> None:
        """Starts as soon as the deployment is configured."""
        super().__init__(platform)
        self._made: asyncio.Task[Record] | None = None
        platform.on("configured", self._start)

    @property
    def repository(self) -> Path:
        """The repository's folder."""
        return self.platform.folder / "repository"

    @property
    def deploy_log(self) -> Path:
        """The file with the deploys to production."""
        return self.platform.folder / "deploy-log.jsonl"

    async def record(self) -> Record:
        """What happened in the repository, once it is written."""
        if self._made is None:
            raise RuntimeError("the deployment is not configured yet")
        return await self._made

    async def prepare(self) -> None:
        """Waits until it is written."""
        await self.record()

    def facts(self) -> dict[str, Any]:
        """Where the repository is, what it starts with, and what its rules are."""
        if self._made is None:
            return {}
        made = self._made.result()
        return {
            "codebase": {
                "repository": str(self.repository),
                "branch": record.BRANCH,
                "since": made.since.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "since_commit": made.since.sha,
                "package": tree.PACKAGE,
                "ci_workflow": history.CI,
                "deploy_workflow": history.DEPLOY,
                "lock_files": sorted(LOCK_FILES),
                "manifests": dict(LOCK_FILES),
                "owners_file": ".github/CODEOWNERS",
                "update_bot_file": ".github/dependabot.yml",
                "sensitive_paths": {area: list(patterns) for area, patterns in areas.PATHS.items()},
                "security_team": areas.TEAM,
                "deploy_log": str(self.deploy_log),
                "advisories": {
                    "path": str(ADVISORIES),
                    "dated": dt.datetime.now(dt.UTC).date().isoformat(),
                    "format": "osv",
                },
            }
        }

    async def close(self) -> None:
        """Lets the writing come to its end, so that nothing is written into a folder that is being removed."""
        if self._made is not None:
            await asyncio.wait({self._made})

    def _start(self, _platform: Platform) -> None:
        self._made = asyncio.create_task(asyncio.to_thread(self._write), name="repository")

    def _write(self) -> Record:
        built = history.build(tree.files(), changes.planned(), dt.datetime.now(dt.UTC))
        writing.write(built, self.repository)
        writing.write_deploy_log(built.record, self.deploy_log)
        return built.record


LOCK_FILES = {
    "requirements.lock": "requirements.in",
    "requirements-ci.lock": "requirements-ci.in",
    "rivet/edge/client/package-lock.json": "rivet/edge/client/package.json",
}
"""Every lock file of the repository, with the file that it pins."""
