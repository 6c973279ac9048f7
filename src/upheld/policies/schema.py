"""JSON Schemas of policies, waivers, targets, fleets and the table of strengths, for editors: from the models, and from the signatures of the checks.

`python -m upheld.policies.schema` writes them to `schema/`. For a project with checks of its own, name its folders:
`python -m upheld.policies.schema --to schema checks`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from upheld.catalogue import Catalogue, Check
from upheld.drafting.phrases import PhraseFile
from upheld.errors import InputError, Mistake
from upheld.fleet.description import FleetFile
from upheld.policies.format import PolicyFile, WaiverFile
from upheld.policies.uses import compulsory
from upheld.resources import builtin
from upheld.strength.table import Table
from upheld.target.model import Target

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def policies_schema(catalogue: Catalogue) -> dict[str, Any]:
    """The schema of policy files, in which the checks of `catalogue` and their parameters are the ones that may be named."""
    schema = _schema(PolicyFile, "A policy of upheld")
    definitions: dict[str, Any] = schema["$defs"]
    for check in catalogue:
        definitions.update(_parameters(check))
    definitions["CheckUse"] = _use(catalogue)
    properties = schema["properties"]
    definitions["ClaimEntry"]["properties"]["checks"]["items"] = {"$ref": "#/$defs/CheckUse"}
    for name in ("extends", "include"):
        properties[name] = {
            **{key: properties[name][key] for key in ("description", "default")},
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        }
    properties["override"]["additionalProperties"] = {
        "type": "object",
        "properties": {check.id: _partial(definitions[check.id]) for check in catalogue},
        "additionalProperties": False,
    }
    return schema


def waivers_schema() -> dict[str, Any]:
    """The schema of waiver files."""
    return _schema(WaiverFile, "Waivers of upheld")


def target_schema() -> dict[str, Any]:
    """The schema of target descriptions."""
    return _schema(Target, "A target of upheld")


def fleet_schema() -> dict[str, Any]:
    """The schema of fleets."""
    return _schema(FleetFile, "A fleet of upheld")


def phrases_schema() -> dict[str, Any]:
    """The schema of files of phrasings."""
    return _schema(PhraseFile, "Phrasings of claims for upheld")


def texts(catalogue: Catalogue) -> dict[str, str]:
    """The text of each schema file, by its name."""
    schemas = {
        "policies.schema.json": policies_schema(catalogue),
        "waivers.schema.json": waivers_schema(),
        "target.schema.json": target_schema(),
        "fleet.schema.json": fleet_schema(),
        "strength.schema.json": _schema(Table, "How upheld compares parameters with words"),
        "phrases.schema.json": phrases_schema(),
    }
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def _schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    schema = {"$schema": DIALECT, **model.model_json_schema(mode="validation"), "title": title}
    schema.setdefault("$defs", {})
    for definition in (schema, *schema["$defs"].values()):
        _without_titles(definition)
    return schema


def _without_titles(definition: dict[str, Any]) -> None:
    # Pydantic's titles only repeat the names.
    for one in definition.get("properties", {}).values():
        one.pop("title", None)


def _parameters(check: Check) -> dict[str, Any]:
    """The schema of a check's parameters under its id, and of the types that they name."""
    try:
        schema = check.parameters.model_json_schema(mode="validation", ref_template=f"#/$defs/{check.id}.{{model}}")
    except Exception as error:  # A stranger's types may raise anything; it is a mistake in the check's file.
        message = f"check {check.id}: its parameters have no JSON Schema: {error}"
        expected = "types that JSON can carry"
        raise InputError([Mistake(check.file, check.line, 1, message, expected=expected)]) from error
    inner = schema.pop("$defs", {})
    _without_titles(schema)
    schema["title"] = check.id
    schema["description"] = check.title
    return {check.id: schema, **{f"{check.id}.{name}": definition for name, definition in inner.items()}}


def _partial(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "required"}


def _use(catalogue: Catalogue) -> dict[str, Any]:
    bare = [check for check in catalogue if not compulsory(check)]
    uses: dict[str, Any] = {}
    for check in catalogue:
        reference = {"$ref": f"#/$defs/{check.id}"}
        uses[check.id] = {"anyOf": [reference, {"type": "null"}]} if check in bare else reference
    reason = {"type": "string", "pattern": r"\S", "description": "Why it is not run; shown in every report."}
    one_check = {
        "type": "object",
        "properties": {**uses, "not_applicable": reason},
        "additionalProperties": False,
        "if": {"required": ["not_applicable"]},
        "then": {"minProperties": 2, "maxProperties": 2},
        "else": {"minProperties": 1, "maxProperties": 1},
    }
    names: dict[str, Any] = {"enum": [check.id for check in bare]} if bare else {"not": {}}
    return {"description": "A check, or a check with its parameters.", "anyOf": [names, one_check]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the schemas; gives 0, or 2 when a check is wrong."""
    parser = argparse.ArgumentParser(prog="python -m upheld.policies.schema", description="Write the JSON Schemas.")
    parser.add_argument("checks", nargs="*", type=Path, help="folders of checks beside the built-in ones")
    parser.add_argument("--to", type=Path, default=Path("schema"), help="the folder to write to (default: schema)")
    options = parser.parse_args(arguments)
    try:
        written = texts(Catalogue.load(builtin() / "checks", *options.checks))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    options.to.mkdir(parents=True, exist_ok=True)
    for name, text in written.items():
        (options.to / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
