"""The tables of a ledger as this version reads and writes them. The migrations make them, and their triggers."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, LargeBinary, MetaData, String, Table, Text

VERSION_TABLE = "upheld_version"
HEAD = "0001"
"""The migration that this version works with."""

metadata = MetaData()

entries = Table(
    "upheld_entries",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("at", String(32), nullable=False),
    Column("run", String(64), nullable=False),
    Column("series", String(16), nullable=False),
    Column("policy", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("sabotages", Text, nullable=False),
    Column("started", String(32), nullable=False),
    Column("finished", String(32), nullable=False),
    Column("complete", Boolean(create_constraint=False), nullable=False),
    Column("claims", Text, nullable=False),
    Column("letters", Text, nullable=False),
    Column("through", BigInteger, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
"""The chain. `kind` says what an entry is; `through` is, of a pruning, the last entry that it lets go."""

Index("upheld_entries_run", entries.c.run)
Index("upheld_entries_kind", entries.c.kind, entries.c.through)

bodies = Table(
    "upheld_bodies",
    metadata,
    Column("seq", BigInteger, ForeignKey("upheld_entries.seq"), primary_key=True, autoincrement=False),
    Column("body", LargeBinary, nullable=False),
)
"""What an entry holds: canonical JSON, compressed by zlib."""
