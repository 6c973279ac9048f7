"""Opening a session over a target: its description, the border around it, and its secrets made known to the redactor."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from upheld.errors import Unobservable
from upheld.probes.base import Session
from upheld.probes.planted import Journal
from upheld.probes.scope import Scope
from upheld.redaction import Redactor
from upheld.target.load import load_target
from upheld.target.references import references
from upheld.target.secrets import resolve

_LONGEST = 1024
"""Characters of a secret that is sought in all its spellings; a longer one is a document."""


def open_session(target_file: Path, scratch: Path, key: str, journal: Path | None = None) -> Session:
    """A session over the target in that file; raises InputError when its description is wrong.

    `key` (hexadecimal) makes placeholders of secrets equal in all processes of a run. `journal` is the folder in which is noted,
    for good, what is planted; without it the notes end with the scratch folder.
    """
    target, _ = load_target(target_file)
    redactor = Redactor(bytes.fromhex(key))
    folder = target_file.resolve().parent
    for identity in target.identities:
        for name, reference in identity.secrets.items():
            try:
                redactor.add(resolve(reference, folder), f"{identity.name}.{name}")
            except (Unobservable, ValueError):
                continue  # The probe that needs this credential meets the same obstacle and reports it.
    # The others are met by those probes that use them, and may stand in what another one reads before: a page, a log, a file.
    for part, reference in references(target):
        with suppress(Unobservable, ValueError):
            value = _credential(resolve(reference, folder))
            if value:
                redactor.add(value, f"a secret of {part}", until_named=True)
    notes = Journal(
        journal or scratch / "planted", target=target.name, durable=journal is not None, clean=redactor.text
    )
    session = Session(
        target,
        redactor,
        Scope(target, scratch),
        scratch,
        vantage=target.vantage.name,
        target_folder=folder,
        journal=notes,
    )
    session.strict = bool(os.environ.get("UPHELD_STRICT"))
    return session


def _credential(value: str) -> str:
    """What of a secret must be hidden: of a URL its password, of a key in PEM nothing, for that is known by its shape."""
    if value.startswith("-----BEGIN ") or len(value) > _LONGEST:
        return ""
    return unquote(urlsplit(value).password or "") if "://" in value else value
