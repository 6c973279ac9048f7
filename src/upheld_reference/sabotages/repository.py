"""What the defects of the repository change: its files, its history, the protection of its main branch.

A change that is added later comes after the last deploy, at an hour of its own, so that several can be had at once and
none of them is in production.
"""

from __future__ import annotations

from dataclasses import replace

from upheld_reference.codebase import changes, protection, tree
from upheld_reference.codebase.model import Change, Edit
from upheld_reference.platform import Platform

LOG = "CHANGELOG.md"
"""A file that everybody changes and that no rule is about."""
CI = ".github/workflows/ci.yml"
"""The definition of the pipeline."""


def add_change(platform: Platform, *more: Change) -> None:
    """Has the history go on with these merged changes, each at its date."""
    right = changes.planned

    def planned() -> tuple[Change, ...]:
        merged = [one for one in (*right(), *more) if one.merged_days_ago is not None]
        still_open = [one for one in right() if one.merged_days_ago is None]
        return (*sorted(merged, key=lambda one: -(one.merged_days_ago or 0.0)), *still_open)

    platform.replace(changes, "planned", planned)


def put_file(platform: Platform, path: str, text: str) -> None:
    """Has the repository hold this file."""
    right = tree.files
    platform.replace(tree, "files", lambda: {**right(), path: text.encode("utf-8")})


def edit_file(platform: Platform, path: str, before: str, now: str) -> None:
    """Replaces a text of a file of the repository, which is there once; raises ValueError when it is not."""
    right = tree.files

    def files() -> dict[str, bytes]:
        found = right()
        text = found[path].decode("utf-8")
        if text.count(before) != 1:
            raise ValueError(f"{path} has the text to replace {text.count(before)} times")
        return {**found, path: text.replace(before, now).encode("utf-8")}

    platform.replace(tree, "files", files)


def note(platform: Platform, line: str) -> Edit:
    """Adds a line to the change log, and gives the edit that a change says to have made with it."""
    text = f"- {line}\n"
    edit_file(platform, LOG, "# Changelog\n\n", f"# Changelog\n\n{text}")
    return Edit(LOG, "", text)


def without_check(platform: Platform, context: str) -> None:
    """Takes a job off the list of those that must have passed before a merge."""
    right = protection.of_main

    def of_main() -> protection.Protection:
        held = right()
        return replace(held, contexts=tuple(one for one in held.contexts if one != context))

    platform.replace(protection, "of_main", of_main)
