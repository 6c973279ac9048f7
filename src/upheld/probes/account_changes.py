"""Accounts whose role is changed, or that are disabled, for a while: noted in the journal with how they are put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from upheld.probes.planted import Changes, Journal, Planted

if TYPE_CHECKING:
    from upheld.target.access import RoleChange


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What is done to whose account: `change` (it gets `role`), `disable` or `enable`; `own` is the role that it has by right."""

    identity: str
    change: str
    by: str
    objects: Mapping[str, str]
    role: str
    own: str


class AccountChanges:
    """The changed accounts of one API (`api` or `staff`)."""

    def __init__(self, journal: Journal, api: str) -> None:
        """Notes nothing yet."""
        self._changes = Changes(journal)
        self._api = api

    def before(self, one: AccountChange, described: RoleChange) -> None:
        """Note how the account is put back, before it is changed."""
        title = f"the account of {one.identity}, which {one.by} gave another role than {one.own}"
        operation: str | None = described.change
        objects, body = dict(one.objects), described.enable_json
        if one.change == "change":
            body = {described.property: one.own}
            objects |= {"role": one.own} if "role" in objects else {}
        else:
            title, operation = f"the account of {one.identity}, which {one.by} disabled", described.enable
        what = "call" if operation else "left"
        self._changes.about(
            _name(one), Planted(what, title, self._api, operation or "", one.by, objects, body=body, kind=one.identity)
        )

    def after(self, one: AccountChange, *, worked: bool) -> None:
        """Note that the account is as it was, where the change has put it back."""
        if worked and (one.role == one.own if one.change == "change" else one.change == "enable"):
            self._changes.back(_name(one))


def _name(one: AccountChange) -> str:
    return f"{one.identity} {'role' if one.change == 'change' else 'enabled'}"
