"""Places of checks whose change cannot come to anything else, and why: by file, change and expression."""

from __future__ import annotations

_EMERGENCIES = "checks/audit/emergencies.py"
_BOUNDARIES = "checks/boundaries.py"
_PLACES = "checks/host/places.py"
_IDENTIFIERS = "checks/tenancy/identifiers.py"

EQUIVALENT: dict[tuple[str, str, str], str] = {
    (
        _EMERGENCIES,
        "and for or",
        "one.approved_by is None or one.approved_at is None",
    ): "both are of one entry, and None where there is none",
    (
        _BOUNDARIES,
        "any for all",
        "all((rows.denied for _, rows in seen))",
    ): "a role that is denied once counts as denied with every tenant",
    (
        _PLACES,
        "all for any",
        "any((name.casefold() == provider.casefold() for name in found.providers))",
    ): "no two providers that are known have a zone of the same name",
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
