"""What is kept between runs, in a folder of the user: the journals of planted things, by target, and the ledger of runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_state_path

if TYPE_CHECKING:
    from upheld.target.model import Target

VARIABLE = "UPHELD_STATE"
LEDGER = "UPHELD_LEDGER"
"""The variable that names the ledger where `--ledger` does not."""
NO_LEDGER = "none"
"""The name that stands for no ledger."""


def state_folder(given: Path | None = None) -> Path:
    """The folder that was named, else the one that UPHELD_STATE names, else the platform's (`~/.local/state/upheld`)."""
    if given is not None:
        return given.absolute()
    named = os.environ.get(VARIABLE)
    return Path(named).absolute() if named else user_state_path("upheld")


def named_ledger(given: str | None) -> str | None:
    """The ledger that was named, else the one that UPHELD_LEDGER names, else the user's own; None where that is `none`."""
    named = given if given is not None else os.environ.get(LEDGER, "")
    return None if named == NO_LEDGER else named or str(state_folder() / "ledger.sqlite")


def journal_folder(target: Target, state: Path) -> Path:
    """Where the journals of a target are: a deployment is told from others by its name, its endpoints and its database's URL.

    Two descriptions of one deployment in different files share them; two deployments of one name do not.
    """
    known = [target.name, sorted(one.url for one in target.endpoints), target.database.url if target.database else ""]
    digest = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:12]
    name = re.sub(r"[^a-z0-9]+", "-", target.name.lower()).strip("-")[:40]
    return state / "planted" / f"{name or 'target'}-{digest}"
