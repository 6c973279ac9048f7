"""Puts the accounts back as they were made, while the server runs on them, and prints how many there are as JSON."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

HERE = Path(__file__).resolve().parent

with (
    contextlib.closing(sqlite3.connect(f"file:{HERE / 'seed.sqlite3'}?mode=ro", uri=True)) as seed,
    contextlib.closing(sqlite3.connect(HERE / "accounts.sqlite3")) as accounts,
):
    seed.backup(accounts)  # In one transaction, which waits for whoever is writing.
    (count,) = accounts.execute('SELECT count(*) FROM "user"').fetchone()
print(json.dumps({"accounts": count}))
