"""Places of checks whose change cannot come to anything else, and why: by file, change and expression."""

from __future__ import annotations

_IDENTIFIERS = "checks/tenancy/identifiers.py"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        _IDENTIFIERS,
        "and for or",
        "before is None or after is None",
    ): "the second look is made exactly where the first one was",
    (
        _IDENTIFIERS,
        "all for any",
        "any((one.where == 'body' and one.kind != 'tenant' for one in swapped))",
    ): "several places are swapped together only where all of them stand in the path",
}
