"""The chain of entries and their bodies, and the triggers that let nobody change them.

No row is updated. A row is deleted only once an entry of the kind `pruned` says that it is let go: its `through` is the last
number for which that holds. So whoever takes away more has to leave a signed-off entry, or to take the triggers away.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = ("upheld_entries", "upheld_bodies")
_LET_GO = "(SELECT coalesce(max(through), 0) FROM upheld_entries WHERE kind = 'pruned')"


def upgrade() -> None:
    """Make the tables and their triggers."""
    op.create_table(
        "upheld_entries",
        sa.Column("seq", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("run", sa.String(64), nullable=False),
        sa.Column("series", sa.String(16), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("sabotages", sa.Text(), nullable=False),
        sa.Column("started", sa.String(32), nullable=False),
        sa.Column("finished", sa.String(32), nullable=False),
        sa.Column("complete", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("claims", sa.Text(), nullable=False),
        sa.Column("letters", sa.Text(), nullable=False),
        sa.Column("through", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.create_index("upheld_entries_run", "upheld_entries", ["run"])
    op.create_index("upheld_entries_kind", "upheld_entries", ["kind", "through"])
    op.create_table(
        "upheld_bodies",
        sa.Column("seq", sa.BigInteger(), sa.ForeignKey("upheld_entries.seq"), primary_key=True, autoincrement=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite()
    else:
        _guard_postgresql()


def _guard_sqlite() -> None:
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
            "BEGIN SELECT raise(ABORT, 'the ledger is append-only: nothing in it is changed'); END"
        )
        op.execute(
            f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} WHEN OLD.seq > {_LET_GO} "
            "BEGIN SELECT raise(ABORT, 'the ledger is append-only: only upheld ledger prune lets entries go'); END"
        )
        # INSERT OR REPLACE deletes without asking the triggers of deletion.
        op.execute(
            f"CREATE TRIGGER {table}_new BEFORE INSERT ON {table} "  # noqa: S608  (our own words)
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE seq = NEW.seq) "
            "BEGIN SELECT raise(ABORT, 'the ledger is append-only: an entry of that number stands'); END"
        )


def _guard_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION upheld_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'the ledger is append-only: nothing in it is changed'; END $$"
    )
    op.execute(
        "CREATE FUNCTION upheld_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.seq > {_LET_GO} THEN "
        "RAISE EXCEPTION 'the ledger is append-only: only upheld ledger prune lets entries go'; END IF; "
        "RETURN OLD; END $$"
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION upheld_unchanged()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_whole BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION upheld_unchanged()"
        )
        op.execute(f"CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION upheld_kept()")
