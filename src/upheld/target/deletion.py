"""Customers who have left: by what traces of them would be known, and where those are looked for."""

from __future__ import annotations

from datetime import datetime

from upheld.target.parts import LocalPath, Name, Part


class Terminated(Part):
    """A customer who left, when that was, and texts by which their data would be known: names, domains, identifiers."""

    name: Name
    at: datetime
    traces: tuple[str, ...]


class AnonymisedTable(Part):
    """A table whose rows stay without anything that says whose they were; `columns` hold what stands in place of that."""

    table: str
    columns: tuple[str, ...]


class FolderStore(Part):
    """A folder of files that belong to customers; names and contents are searched."""

    name: Name
    folder: LocalPath
    pattern: str = "**/*"


class Deletion(Part):
    """Customers who left, and the stores in which nothing of them may be left. Tables are found in the database's catalogue.

    `living` are texts by which the data of a customer who is still there are known: that they are found shows that a search works.
    """

    terminated: tuple[Terminated, ...]
    living: tuple[str, ...]
    folders: tuple[FolderStore, ...] = ()
    anonymised: tuple[AnonymisedTable, ...] = ()
    kept_tables: dict[str, str] = {}
    """Tables that stay as they are, with the reason."""
