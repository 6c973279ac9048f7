"""Rows of a database whose values may be of any size: the database itself is asked to leave out what is too large to be read.

A driver takes a row whole, so that a limit on this side would come too late: one value of 200 MB in a batch is enough.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

ROW_LIMIT = 256 * 1024
"""Bytes of one row, as text, that are read; a longer one is Unobservable."""
KEPT_LIMIT = 128 * 1024 * 1024
"""Bytes of all rows that one look keeps; more are Unobservable."""
_BATCH = 200
_SIZE = "upheld_size"


def rows_of(
    connection: Connection, statement: sa.Select[Any], what: str, *, kept_limit: int | None = KEPT_LIMIT
) -> Generator[dict[str, Any], None, None]:
    """The rows that the statement selects, by the names of their columns, in small batches.

    Whoever may stop before the last one closes the iterator. Raises Unobservable for a row that is too long, and for all together past `kept_limit` (None where none is kept).
    """
    columns = list(statement.selected_columns)
    length = _octets if connection.dialect.name == "postgresql" else sa.func.length
    size: sa.ColumnElement[Any] = sa.literal(0)
    for column in columns:
        size = size + sa.func.coalesce(length(column), 0)
    bounded = statement.with_only_columns(
        size.label(_SIZE), *(sa.case((size <= ROW_LIMIT, column)).label(column.key) for column in columns)
    )
    total = 0
    with connection.execute(bounded, execution_options={"yield_per": _BATCH}) as result:
        for row in result.mappings():
            found = {str(name): value for name, value in row.items()}
            octets = int(found.pop(_SIZE))
            if octets > ROW_LIMIT:
                raise Unobservable(f"{what}: a row holds {octets:,} bytes, and no more than {ROW_LIMIT:,} are read")
            total += octets
            if kept_limit is not None and total > kept_limit:
                raise Unobservable(f"{what}: its rows hold more than {kept_limit >> 20} MiB")
            yield found


def _octets(column: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    # As text, for the types that have no length of their own; of a value out of line the database knows it without reading it.
    return sa.func.octet_length(sa.cast(column, sa.Text))
