"""The kinds of value and of body that the API's models are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL cannot store it in a text

Name = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=_NO_NUL)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=_NO_NUL)]
Note = Annotated[str, StringConstraints(max_length=1000, pattern=_NO_NUL)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^\x00-\x20@]+@[^\x00-\x20@]+$")]
Password = Annotated[str, StringConstraints(min_length=1, max_length=200)]
NewPassword = Annotated[str, StringConstraints(min_length=12, max_length=200)]
PhoneNumber = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]
SignUpCode = Annotated[str, StringConstraints(pattern=r"^AQ[A-Za-z0-9_-]{20,200}$")]
RandomToken = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
WebhookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500, pattern=_NO_NUL),
    Field(description="An https URL of a host on the public internet", examples=["https://hooks.example.com/rivet"]),
]
"""The guard of the network has the say; the route asks it."""


class Incoming(BaseModel):
    """A body that is sent: fields that it does not know are refused, and errors do not repeat what was sent."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Outgoing(BaseModel):
    """A body that is returned."""
