"""The signed statements: who signs, with which key, and the file that says whose signature counts.

A key is made at every start and forgotten once it has signed; what remains is its public half.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from upheld_reference import people
from upheld_reference.registers import sources, sshsig

FOLDER = "attestations"
"""The folder of the statements, below that of the registers."""
ALLOWED_SIGNERS = "allowed_signers"
"""The file in it that says whose signature counts for what, as ssh-keygen(1) describes it."""


def namespace(claim: str) -> str:
    """What a signature under the statement of ``claim`` is good for, and no other signature."""
    return f"{claim}@attestations.rivetsoftware.dev"


def write(folder: Path, content: Mapping[str, Any], rules: Mapping[str, Any], now: dt.datetime) -> None:
    """Writes each statement of ``content`` below ``folder`` with its signature, and the allowed signers of ``rules``."""
    place = folder / FOLDER
    place.mkdir()
    statements = content["attestations"]
    keys = {login: Ed25519PrivateKey.generate() for login in [entry["signer"] for entry in statements]}
    for entry in statements:
        signer = people.by_login(entry["signer"])
        written = {**entry, "signer": {"name": signer.name, "email": signer.email, "role": signer.title}}
        written["namespace"] = namespace(entry["claim"])
        text = sources.dump(written)
        (place / f"{entry['claim']}.yaml").write_text(text, encoding="utf-8")
        signature = sshsig.sign(keys[entry["signer"]], text.encode("utf-8"), namespace(entry["claim"]))
        (place / f"{entry['claim']}.yaml.sig").write_text(signature, encoding="ascii")
    (place / ALLOWED_SIGNERS).write_text(_allowed(keys, rules, now), encoding="ascii")


def _allowed(keys: Mapping[str, Ed25519PrivateKey], rules: Mapping[str, Any], now: dt.datetime) -> str:
    """A line for each signer whom ``rules`` let vouch for a claim; a key is good from its year's start to two years on."""
    lines = []
    for login, key in keys.items():
        person = people.by_login(login)
        spaces = ",".join(namespace(claim) for claim, signers in rules["signers"].items() if person.email in signers)
        if spaces:
            until = f"{now.year + 2}0101"
            lines.append(
                f'{person.email} namespaces="{spaces}",valid-before="{until}" {sshsig.public_line(key)} {person.login}\n'
            )
    return "".join(lines)
