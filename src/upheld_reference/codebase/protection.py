"""What the forge holds everybody to on the main branch."""

from __future__ import annotations

from dataclasses import dataclass

CONTEXTS = ("lint", "tests", "dependency scan", "bandit", "semgrep", "secret scan")
"""The jobs of the pipeline, by name, that must have passed before a merge."""


@dataclass(frozen=True)
class Protection:
    """The protection of one branch; the names are GitHub's."""

    approvals: int = 1
    dismiss_stale_reviews: bool = True
    require_code_owner_reviews: bool = True
    require_last_push_approval: bool = True
    enforce_admins: bool = True
    strict: bool = True
    """Whether a branch must be up to date before it is merged."""
    contexts: tuple[str, ...] = CONTEXTS
    required_conversation_resolution: bool = True
    allow_force_pushes: bool = False
    allow_deletions: bool = False


def of_main() -> Protection:
    """The protection of the main branch."""
    return Protection()
