"""`upheld list`, `upheld explain` and `upheld validate`: what stands, without looking at any target."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

import upheld.probes
from upheld import documents
from upheld.catalogue import Catalogue, Check
from upheld.cli.options import find_policy, policy_option
from upheld.errors import InputError, Mistake
from upheld.policies import Claim, Policy, load
from upheld.policies.promised import over_one_endpoint
from upheld.probes.base import Probe
from upheld.reporting.text import safe
from upheld.resources import check_folders
from upheld.target.load import load_target
from upheld.target.model import Target


def _load(policy: Path | None) -> tuple[Policy, Catalogue]:
    path = find_policy(policy)
    catalogue = Catalogue.load(*check_folders(path))
    return load(path, catalogue, today=datetime.now(UTC).date()), catalogue


@click.command("list")
@click.argument("what", type=click.Choice(["claims", "checks", "probes", "all"]), default="all")
@policy_option
def list_everything(what: str, policy: Path | None) -> None:
    """List claims, checks and probes, and what each needs."""
    loaded, catalogue = _load(policy)
    if what in {"claims", "all"}:
        click.echo(f"CLAIMS ({len(loaded.claims)})")
        width = max((len(claim.id) for claim in loaded.claims), default=0)
        for claim in loaded.claims:
            deciders = [use.check for use in claim.uses] + [f"claim {name}" for name in claim.decided_by]
            click.echo(f"  {claim.id:<{width}}  {', '.join(deciders) or 'uncovered: no check decides it yet'}")
        for tombstone in loaded.retracted:
            click.echo(f"  {tombstone.id:<{width}}  retracted on {tombstone.day}")
    if what in {"checks", "all"}:
        click.echo(f"CHECKS ({len(catalogue)})")
        width = max((len(one.id) for one in catalogue), default=0)
        for one in catalogue:
            marks = [
                one.marks.basis.value,
                *(["exclusive"] * one.marks.exclusive),
                *(["intrusive"] * one.marks.intrusive),
                *(["undisturbed"] * one.marks.undisturbed),
            ]
            click.echo(f"  {one.id:<{width}}  {one.title}")
            click.echo(
                f"  {'':<{width}}  ({', '.join(marks)}; looks through {', '.join(k.name for k in one.probes.values())})"
            )
    if what in {"probes", "all"}:
        for module in pkgutil.iter_modules(upheld.probes.__path__, "upheld.probes."):
            importlib.import_module(module.name)  # A probe is known once its module is imported.
        kinds = {name: kind for name, kind in sorted(Probe.kinds.items()) if name}
        click.echo(f"PROBES ({len(kinds)})")
        for name, kind in kinds.items():
            needs = ", ".join(kind.needs) or "nothing"
            sentence = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
            click.echo(f"  {name:<12}  {sentence} (needs of the target: {needs})")


@click.command()
@click.argument("name")
@policy_option
def explain(name: str, policy: Path | None) -> None:
    """Explain a claim (what decides it) or a check (what it decides, how, what refutes it, what it cannot see)."""
    loaded, catalogue = _load(policy)
    claims = {claim.id: claim for claim in loaded.claims}
    tombstone = next((one for one in loaded.retracted if one.id == name), None)
    if tombstone is not None:
        click.echo(f"{tombstone.id}  retracted on {tombstone.day}: {safe(tombstone.why)}")
        click.echo(f"  “{safe(tombstone.statement)}”")
    elif name in claims:
        _explain_claim(claims[name], catalogue)
    elif name in catalogue:
        _explain_check(
            catalogue[name], [claim.id for claim in loaded.claims if any(u.check == name for u in claim.uses)]
        )
    else:
        close = difflib.get_close_matches(name, [*claims, *(one.id for one in catalogue)], n=1)
        raise InputError(
            [Mistake("explain", 0, 0, "no such claim or check", repr(name), nearest=close[0] if close else "")]
        )


def _explain_claim(claim: Claim, catalogue: Catalogue) -> None:
    click.echo(f"{claim.id}  ({claim.severity.value}, owner {safe(claim.owner)}, section {safe(claim.section)})")
    click.echo(f"  “{safe(claim.statement)}”")
    for framework, points in claim.references.items():
        click.echo(f"  {framework}: {', '.join(points)}")
    for use in claim.uses:
        one = catalogue[use.check]
        click.echo(
            f"\n  {one.id}  ({one.marks.basis.value})\n    {one.title}\n    parameters: {safe(use.arguments_json)}"
        )
        if use.not_applicable:
            click.echo(f"    not applicable: {safe(use.not_applicable)}")
    if claim.decided_by:
        click.echo(f"\n  decided by the claims: {', '.join(claim.decided_by)} (the worst of them)")
    if not claim.uses and not claim.decided_by:
        click.echo("\n  uncovered: no check decides it yet")
    if claim.note:
        click.echo(f"\n  note: {safe(claim.note)}")
    for earlier in claim.previously:
        why = f" ({safe(earlier.why)})" if earlier.why else ""
        click.echo(f"\n  until {earlier.until}{why}: “{safe(earlier.statement)}”")
        for sentence in earlier.sentences:
            click.echo(f"    “{safe(sentence)}”")


def _explain_check(one: Check, claims: list[str]) -> None:
    click.echo(f"{one.id}  ({one.marks.basis.value})\n")
    click.echo("\n".join(f"  {line}" if line else "" for line in one.page.splitlines()))
    properties = one.parameters.model_json_schema().get("properties", {})
    if properties:
        click.echo("\n  Parameters:")
        for name, schema in properties.items():
            click.echo(
                f"    {name}: {schema.get('type', 'value')}, default {schema.get('default', 'none: compulsory')}"
            )
    click.echo("\n  Looks through: " + ", ".join(kind.name for kind in one.probes.values()))
    click.echo(f"  Decides claims: {', '.join(claims) or 'none of this policy'}")
    click.echo(f"  Code: {one.file}:{one.line} (SHA-256 {one.code_digest[:16]}…)")


@click.command()
@policy_option
@click.option("--target", type=click.Path(path_type=Path), help="A target file to validate too.")
def validate(policy: Path | None, target: Path | None) -> None:
    """Validate the policy, its waivers and a target, and say everything that is wrong at once."""
    mistakes: list[Mistake] = []
    said: list[str] = []
    names: list[str] | None = None
    loaded: Policy | None = None
    try:
        path = find_policy(policy)
        catalogue = Catalogue.load(*check_folders(path))
        names = [one.id for one in catalogue]
        loaded = load(path, catalogue, today=datetime.now(UTC).date())
        checks = sum(len(claim.uses) for claim in loaded.claims)
        uncovered = sum(not claim.uses and not claim.decided_by for claim in loaded.claims)
        said.append(
            f"{loaded.file}: {len(loaded.claims)} claims, {checks} uses of checks, {uncovered} claims uncovered, "
            f"{len(loaded.waivers)} waivers"
        )
    except InputError as error:
        mistakes.extend(error.mistakes)
    if target is not None:
        try:
            described, _ = load_target(target, names)
            if loaded is not None:
                mistakes.extend(_over_one_endpoint(loaded, described, target))
            said.append(f"{target}: {safe(described.name)} ({described.environment.value})")
        except InputError as error:
            mistakes.extend(error.mistakes)
    for line in said:
        click.echo(line)
    if mistakes:
        raise InputError(mistakes)
    click.echo("valid")


def _over_one_endpoint(policy: Policy, described: Target, file: Path) -> Iterator[Mistake]:
    for claim, words, endpoint in over_one_endpoint(policy, described):
        line, column = documents.load(file).place(("endpoints", 0))
        yield Mistake(
            str(file),
            line,
            column,
            f"{claim.id}: “{words}” promises more than the one endpoint that the target describes can show",
            got=str(endpoint),
            expected="every public endpoint, or at this one `alone` with the reason why there is no other",
        )
