"""Where the code is and who keeps its changes: the parts of the target file about repository, forge, deploys and advisories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_TOKEN = "forge.token"  # noqa: S105  (the name of a file)
"""The file, beside the target file, that holds the read-only token of the forge."""


def code_parts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts `repository`, `forge`, `deploys` and `advisories` of the target; writes the token that they refer to."""
    code, forge = facts["codebase"], facts["forge"]
    token = Path(facts["folder"]) / _TOKEN
    token.touch(mode=0o600)
    token.write_text(forge["token"], encoding="utf-8")
    return {
        "repository": {
            "path": code["repository"],
            "branch": code["branch"],
            "since": code["since"],
            "since_commit": code["since_commit"],
            "code": [code["package"]],
            "sensitive_paths": code["sensitive_paths"],
            "security_team": code["security_team"],
            "owners_file": code["owners_file"],
            "lock_files": code["lock_files"],
            "update_bot_file": code["update_bot_file"],
        },
        "forge": {
            "kind": forge["kind"],
            "url": forge["url"],
            "address": facts["listeners"]["forge"]["address"],
            "owner": forge["owner"],
            "repository": forge["repository"],
            "token": f"file:{_TOKEN}",
        },
        "deploys": {"path": code["deploy_log"]},
        "advisories": {"folder": code["advisories"]["path"], "dated": code["advisories"]["dated"]},
    }
