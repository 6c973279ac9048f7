"""How a history is planned: changes with their pushes and reviews, in the order in which they happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ReviewState = Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED"]
"""What a review says, in GitHub's words."""
Method = Literal["merge", "squash", "direct"]
"""How a change came to the main branch: ``direct`` is a push without a pull request."""


@dataclass(frozen=True)
class Edit:
    """A text of one file that a push replaces; ``now`` is found in the file exactly once."""

    path: str
    before: str
    now: str
    everywhere: bool = False
    """Whether it is replaced wherever it stands, which is at least once."""


@dataclass(frozen=True)
class Push:
    """One commit, pushed at once.

    A history is told backwards, from the files as they are now: a push says what it added or replaced of them.
    """

    message: str
    adds: tuple[str, ...] = ()
    """Patterns (fnmatch, ``*`` also matches ``/``) of the files that it added."""
    edits: tuple[Edit, ...] = ()
    """What it replaced."""
    drops: Mapping[str, str] = field(default_factory=dict)
    """Files that it removed, with what was in them."""
    writes: Mapping[str, str] = field(default_factory=dict)
    """Files that it writes on a branch that was never merged."""
    identity: tuple[str, str] | None = None
    """Name and e-mail address in the commit, where they are not those of the change's author."""
    failing: tuple[str, ...] = ()
    """Jobs of the pipeline, by id, that fail on it."""


@dataclass(frozen=True)
class Review:
    """A review of whatever was the last push at that time."""

    by: str
    """The reviewer's account."""
    state: ReviewState = "APPROVED"
    body: str = ""


@dataclass(frozen=True)
class Change:
    """A pull request, or a push to the main branch without one."""

    title: str
    branch: str
    author: str
    """The account that opened it."""
    events: tuple[Push | Review, ...]
    """What happened before the merge, evenly spread over its last hours."""
    merged_days_ago: float | None
    """None while it is open."""
    merged_by: str = ""
    """The account that merged it; empty while it is open."""
    method: Method = "merge"
    deployed: bool = False
    """Whether production was deployed from it, soon after the merge."""
    deployed_head: bool = False
    """Whether its last push was deployed as it was, without having been merged."""
    opened_days_ago: float = 0.0
    """When an open one was opened."""
