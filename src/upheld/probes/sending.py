"""What a look sends, told beside its code, so that it can be said before a run what it would do.

Each probe has `sends`: for each of its looks the classes of requests that it makes, in words with places that the target's
description fills. A look that is not in it sends nothing; the tests hold every look that they make to that.

A place is a path into what a class is told of each item in `each` (a path into the target), else into the target itself: in
`{url}/{pages}` with `each="endpoints"` it is each endpoint's. A place with several values makes a class of each; a place without
any makes none, for what a target does not describe is not asked. Besides there are `{acting}`, `{members}`, `{throwaway}` and `{staff}` (the
identities), `{document}` and `{staff_document}` (where the OpenAPI document is asked for), `{logins}` (the requests that log in),
`{operations}` and `{staff_operations}` (all of a document), and `{call:path}` and `{staff_call:path}`: the operation that the target
names there, with method and path where the document is a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

HTTP: Final = "HTTP"
TLS: Final = "TLS"
CONNECTS: Final = "connection"
DATABASE: Final = "SQL"
STORE: Final = "backup store"
COMMAND: Final = "command"
LISTENS: Final = "listens"

READS: Final = "reads"
WRITES: Final = "writes"
PLANTS: Final = "plants"
CHANGES: Final = "changes"


@dataclass(frozen=True, slots=True)
class Sends:
    """One class of requests: by which means, what, as whom, how many for each look at the most, and what that does there.

    `most` is a number or the name of the check's parameter that has it; None where it is known in the run only. `READS` changes
    nothing, `WRITES` is such that it may (a burst, odd input), `PLANTS` is undone, `CHANGES` is put back.
    """

    by: str
    what: str
    whom: str = "nobody"
    most: int | str | None = None
    does: str = READS
    each: str = ""


Sending = Mapping[str, tuple[Sends, ...]]

DOCUMENT: Final = Sends(HTTP, "GET {document}, the API's document", "nobody, then {acting}", 2)
LOGINS: Final = Sends(HTTP, "{logins}", "each identity when it is first needed, and when its session ends")
AS_MEMBERS: Final = (DOCUMENT, LOGINS)
PLANTING: Final = (
    *AS_MEMBERS,
    Sends(HTTP, "{call:create}, a planted object", "{acting}", None, PLANTS, each="api.objects"),
    Sends(HTTP, "{call:delete}, to remove it", "{acting}", None, PLANTS, each="api.objects"),
)
AS_STAFF: Final = (
    Sends(HTTP, "GET {staff_document}, the console's document", "nobody", 1),
    Sends(HTTP, "{staff_call:staff.login.steps.operation}, to log in", "{staff}"),
)
PAGES: Final = (Sends(HTTP, "GET {url}{pages}, and what the check names beside", each="endpoints"),)


def staff(what: str, does: str = READS) -> tuple[Sends, ...]:
    """What a look sends to the console of staff: whatever a login takes, and this."""
    return (*AS_STAFF, Sends(HTTP, what, "{staff}", does=does))


def reading(role: str, what: str) -> tuple[Sends, ...]:
    """What a look asks of the database as the role of `database.ROLE`."""
    return (
        Sends(DATABASE, f"SELECT {what}, in a transaction that only reads", f"the role of {{name:database.{role}}}"),
    )
