"""What fleet.yaml may contain: the model that it is validated against and that its schema comes from.

What an entry's keys have to do with each other is told by `upheld.fleet.members`, with places.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from upheld.policies.format import Text
from upheld.target.manners import Limits

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
LONGEST_NAME = 100
WAYS = ("file", "glob", "template")
"""The keys of which each entry has one: where its descriptions come from."""

Name = Annotated[str, Field(pattern=NAME, max_length=LONGEST_NAME)]
"""A name that can be the name of a folder, too."""

_ROWS: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "pattern": r"\S"},
        {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "pattern": NAME, "maxLength": LONGEST_NAME}},
            },
        },
    ]
}
_ONE_WAY: dict[str, Any] = {
    "oneOf": [{"required": [way], "properties": {way: {"type": "string"}}} for way in WAYS],
    "dependentRequired": {"name": ["file"], "with": ["template"], "template": ["with"]},
}


class TargetEntry(BaseModel):
    """One target from a description (`file`), one from each of several (`glob`), or one for each row of parameters (`template`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_ONE_WAY)

    name: str | None = Field(
        default=None,
        json_schema_extra={"pattern": NAME, "maxLength": LONGEST_NAME},
        description="With `file`: the target's name in the fleet; by default the file's, without its ending.",
    )
    file: Text | None = Field(default=None, description="The description of one target.")
    glob: Text | None = Field(
        default=None,
        description="A pattern of files, each the description of one target that is called as the file is, without its ending; "
        "`*` stands for anything but a slash, `**` for folders below each other.",
    )
    template: Text | None = Field(
        default=None,
        description="A description with `${parameter}` in its texts and keys; `$$` is a dollar. A text that is `${parameter}` "
        "alone becomes the parameter's value, of whatever type.",
    )
    with_: Annotated[Any, WithJsonSchema(_ROWS)] = Field(
        default=None,
        alias="with",
        description="The parameters of each target of a template, `name` among them: a list of mappings, or a CSV, YAML or JSON file.",
    )
    policy: Text | None = Field(default=None, description="The policy, where it is not the fleet's.")
    claims: tuple[Text, ...] | None = Field(
        default=None,
        json_schema_extra={"minItems": 1},
        description="Only these claims (and those that decide them).",
    )
    waivers: Text | None = Field(default=None, description="A file of waivers, in addition to the policy's own.")
    overlay: dict[str, Any] | None = Field(
        default=None,
        description="Merged over the description as a JSON merge patch (RFC 7396): mappings are merged, null removes, anything "
        "else takes the place of what stood there.",
    )


class FleetFile(BaseModel):
    """Many deployments that are audited together. Paths are relative to the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["upheld-fleet/1"] = Field(description="The format of this file.")
    name: Name = Field(description="What the fleet is called in reports.")
    policy: Text | None = Field(default=None, description="The policy of every target that names no other.")
    at_once: int | None = Field(
        default=None,
        ge=1,
        description="How many targets are audited at the same time, over all workers; by default as many as these have threads.",
    )
    limits: Limits | None = Field(
        default=None,
        description="What each host is sent at the most by all targets of the fleet together, over all workers; what a target's own "
        "limits say holds besides.",
    )
    targets: tuple[TargetEntry, ...] = Field(
        json_schema_extra={"minItems": 1}, description="The targets, or where they come from."
    )
