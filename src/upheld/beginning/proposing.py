"""Recipes for a target that is there already: what its API's document lets one infer beside what the target describes."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from upheld.beginning.writing import recipe_lines
from upheld.errors import Unobservable
from upheld.opening import open_session
from upheld.probes import openapi
from upheld.probes.http_client import HttpClient
from upheld.probes.inferring import MOST, Inferred, inferred
from upheld.probes.openapi import Document
from upheld.reporting.text import safe
from upheld.target.api import Api
from upheld.target.load import load_target


def propose(target_file: Path) -> str:
    """The sections `parameters` and `objects` that the target's API may be given, as YAML with the reasons in comments.

    Nothing is sent but a GET of the document, as a stranger. Raises Unobservable where there is none or it cannot be read.
    """
    target, _ = load_target(target_file)
    api = target.api
    if api is None:
        raise Unobservable("the target describes no api")
    endpoint = next(one for one in target.endpoints if one.name == api.endpoint)
    where = api.openapi
    if where is None:
        document = openapi.Document((), {})
    else:
        with tempfile.TemporaryDirectory(prefix="upheld-learn-") as scratch:
            session = open_session(target_file, Path(scratch), secrets.token_hex(32))
            try:
                with session.scope.fence.up():
                    client = HttpClient(session)
                    try:
                        document = openapi.load(where, endpoint, session.target_folder, client)
                    finally:
                        client.close()
            finally:
                session.close()
    return "\n".join(_lines(document.with_declared(api), api)) + "\n"


def _lines(document: Document, api: Api) -> Iterator[str]:
    made_by = {one.create for one in api.objects.values()}
    found = inferred(document)
    wanted = [one for one in found if one.recipe["create"] not in made_by]
    free = tuple(_without_known(one, document, api, found) for one in wanted if one.kind not in api.objects)
    yield "# Inferred by `upheld learn` from the document, as strangers are shown it. Nothing was tried: look at it before anything is made by it."
    if free:
        yield "api:"
        yield from recipe_lines(free)
    else:
        yield "# nothing was inferred that the target does not describe already"
    for one in wanted:
        if one.kind in api.objects:
            yield f"# not inferred: the target has another kind called {one.kind}: {safe(one.because, 400)}"
    paired = {str(one.recipe["create"]) for one in found} | made_by
    others = [one for one in document.operations if one.method == "POST" and one.id not in paired]
    for operation in others[:MOST]:
        yield f"# not inferred: {safe(str(operation), 200)}: no GET shows one of what it makes by its identifier"
    if len(others) > MOST:
        yield f"# and {len(others) - MOST} more"


def _without_known(one: Inferred, document: Document, api: Api, found: tuple[Inferred, ...]) -> Inferred:
    """The recipe without parameters that the target explains, and with those of its path that nothing explains."""
    made = document.operation(str(one.recipe["create"]))
    explained = {
        *api.parameters,
        *api.values,
        api.tenant_parameter,
        *(name for each in found for name in each.parameters),
    }
    strange = [p.name for p in made.path_parameters if not {p.name, f"{made.id}.{p.name}"} & explained]
    parameters = tuple(name for name in one.parameters if name not in api.parameters and name not in api.values)
    unknown = (
        *one.unknown,
        *(f"what {name} in the path of {made.id} names (parameters or values)" for name in strange),
    )
    return replace(one, parameters=parameters, unknown=unknown)
