"""Changes that nobody else looked at, or not in the end."""

from __future__ import annotations

from dataclasses import replace

from upheld_reference.codebase import protection
from upheld_reference.codebase.model import Change, Push, Review
from upheld_reference.platform import Platform
from upheld_reference.sabotages import sabotage
from upheld_reference.sabotages.repository import add_change, note

_CLAIM = ("peer-reviewed",)
_ALSO = ("security-in-process",)


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("it came without a change",))
def direct_push(platform: Platform) -> None:
    """A commit was pushed to the main branch without a pull request."""
    edit = note(platform, "Exports name the workspace.")
    push = Push("Name the workspace in exports", edits=(edit,))
    add_change(platform, Change("Name the workspace in exports", "main", "lukas", (push,), 2.9, "lukas", "direct"))


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("sipho approved what sipho wrote",))
def self_approved_change(platform: Platform) -> None:
    """A pull request was approved by nobody but its author."""
    events = (Push("Sort templates by name", edits=(note(platform, "Templates are sorted."),)), Review("sipho"))
    add_change(platform, Change("Sort templates by name", "sorted", "sipho", events, 2.65, "sipho"))


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("not its last revision",))
def approval_before_last_push(platform: Platform) -> None:
    """A pull request was merged with a commit that was pushed after its only approval."""
    events = (
        Push("Shorten long names", edits=(note(platform, "Long names are shortened in lists."),)),
        Review("priya"),
        Push("Shorten them in exports, too", edits=(note(platform, "Long names are shortened in exports."),)),
    )
    add_change(platform, Change("Shorten long names", "names", "marta", events, 2.3, "marta"))


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("under another identity",))
def author_approves_under_second_address(platform: Platform) -> None:
    """The commits of a pull request that somebody else opened were written by its approver, under a private address."""
    push = Push(
        "Count contacts",
        edits=(note(platform, "The number of contacts is shown."),),
        identity=("Sipho Mokoena", "sipho.mokoena@mail.example.com"),
    )
    add_change(platform, Change("Count contacts", "count", "lukas", (push, Review("sipho")), 2.0, "lukas"))


@sabotage(breaks=_CLAIM, also=_ALSO, shows=("does not hold administrators",))
def protection_off_for_administrators(platform: Platform) -> None:
    """The protection of the main branch does not hold administrators."""
    right = protection.of_main
    platform.replace(protection, "of_main", lambda: replace(right(), enforce_admins=False))
