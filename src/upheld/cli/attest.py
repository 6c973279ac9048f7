"""`upheld attest`: the statement that a named person signs for a claim that only a person can vouch for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from upheld.catalogue import Catalogue
from upheld.cli.options import TARGET, end_of, find_policy, last_day, policy_option
from upheld.documents import nearest
from upheld.errors import InputError, Mistake
from upheld.evidence import attesting
from upheld.policies import Claim, load
from upheld.reporting.text import safe
from upheld.resources import check_folders
from upheld.target.load import load_target

_PERSON = re.compile(r"(?P<name>[^<>]*[^<>\s])\s*<(?P<email>[^<>@\s]+@[^<>@\s]+)>")


@click.command()
@click.argument("claim")
@click.option("--signer", required=True, metavar="'NAME <EMAIL>'", help="The person who signs.")
@click.option("--role", default="", help="What the person is in the company.")
@click.option(
    "--document",
    "documents",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="A document that the statement rests on; it is named with its digest.",
)
@click.option("--expires", required=True, metavar="DATE", help="The last day (UTC) on which the statement is in force.")
@click.option("--target", type=click.Path(path_type=Path), help="The target file; target.yaml beside the policy.")
@policy_option
@click.option("--key", type=click.Path(path_type=Path), help="Sign at once, with this SSH key (by ssh-keygen).")
@click.option("--replace", is_flag=True, help="Replace a statement that is there already.")
def attest(
    claim: str,
    signer: str,
    role: str,
    documents: tuple[Path, ...],
    expires: str,
    target: Path | None,
    policy: Path | None,
    key: Path | None,
    replace: bool,
) -> None:
    """Write the statement of CLAIM that a named person signs, and sign it with --key, or say how.

    The target says where it is kept and, by its file of allowed signers, who may sign it. A run judges it when it reads it: the
    signature, the signer, the words, the expiry and every document's digest.
    """
    path = find_policy(policy)
    described = _claim(path, claim)
    file = target or path.resolve().parent / TARGET
    loaded, _ = load_target(file)
    place = attesting.Place(file.resolve().parent, loaded.attestations, claim)
    person = _PERSON.fullmatch(signer.strip())
    if person is None:
        raise _wrong("--signer", "is no person", repr(signer), "'Name <name@example.com>'")
    now = datetime.now(UTC).replace(microsecond=0)
    statement = attesting.Statement(
        claim=claim,
        words=attesting.chosen_words(described.sentences, described.statement),
        name=person["name"],
        email=person["email"],
        role=role,
        signed_at=now,
        expires_at=_expiry(expires, now, described),
        documents=tuple(place.document(one) for one in documents),
    )
    content = place.content(statement)
    if place.file.exists() and not replace:
        raise _wrong(str(place.file), "is there already", "", "--replace, which removes its signature too")
    if place.described.format == "x509":
        if key is not None:
            raise _wrong("--key", "the target wants a signature by an X.509 certificate", "", "no --key")
        attesting.write(place, content)
    else:
        allowed = place.signers(statement.email, now)
        if key is not None:
            fingerprint = attesting.sign(place, content, key, allowed)
            click.echo(f"signed: {place.file}, with {fingerprint}, for {place.namespace}")
            click.echo(f"in force until {statement.expires_at:%Y-%m-%d}, unless a document changes")
            return
        attesting.write(place, content)
    click.echo(f"written: {place.file}")
    click.echo(f"{safe(statement.name)} reads it, and signs it with:")
    click.echo(f"  {attesting.command(place)}")


def _claim(policy: Path, name: str) -> Claim:
    catalogue = Catalogue.load(*check_folders(policy))
    claims = {one.id: one for one in load(policy, catalogue, today=datetime.now(UTC).date()).claims}
    if name not in claims:
        near = nearest(name, claims)
        raise InputError([Mistake("attest", 0, 0, "the policy has no claim", repr(name), nearest=near)])
    if claims[name].origin != "page":
        raise _wrong(
            "attest", f"{name} is not a sentence of the page, so that nobody could compare a statement's words"
        )
    return claims[name]


def _expiry(given: str, now: datetime, claim: Claim) -> datetime:
    moment = end_of(last_day(given))
    if moment <= now:
        raise _wrong("--expires", "is over already", given, "a day to come")
    for use in claim.uses:
        days = json.loads(use.arguments_json).get("valid_at_most_days")
        if isinstance(days, int) and moment - now > timedelta(days=days):
            last = (now + timedelta(days=days - 1)).date()
            message = f"is later than the policy accepts ({use.check}: {days} days)"
            raise _wrong("--expires", message, given, f"{last} at the latest")
    return moment


def _wrong(what: str, message: str, got: str = "", expected: str = "") -> InputError:
    return InputError([Mistake(what, 0, 0, message, got, expected)])
