"""The ledger: what every run came to, in one append-only table whose rows are chained by digests.

    with the folder of a run, or the run itself:

        ledger = Ledger.open("postgresql://audits@db.example/audits")   # or a path; made where it is missing
        begun = ledger.begin(run)           # before the work: a run that is killed then shows as one
        entry = ledger.add(run, folder)     # after it; adding the same run again is the entry that stands
        for row in ledger.runs(): ...       # `Row`: what the run came to, claim by claim, without its findings
        record = ledger.record(entry.seq)   # `Record`: with findings, digests and what lapses when
        ledger.verify().holds

`Ledger.open` costs a connection and no lock; a `Ledger` may be used by many threads, and each process opens its own. Writers
wait for each other. What cannot be written or reached raises `LedgerFault`; a place that is no ledger raises `InputError`.
"""

from upheld.ledger.place import Place, find_place
from upheld.ledger.records import ClaimRecord, FindingKept, Lapse, Record, Series
from upheld.ledger.rows import Entry, Row
from upheld.ledger.store import Ledger, LedgerFault

__all__ = [
    "ClaimRecord",
    "Entry",
    "FindingKept",
    "Lapse",
    "Ledger",
    "LedgerFault",
    "Place",
    "Record",
    "Row",
    "Series",
    "find_place",
]
