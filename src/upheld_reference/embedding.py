"""The deployment as an embedded target: started for an audit, described by a target file, stopped afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path


@contextlib.contextmanager
def embedded(sabotages: Sequence[str] = ()) -> Iterator[Path]:
    """The path of the target file of a deployment that runs for the block, with the named sabotages.

    Raises LookupError for a sabotage that does not exist (its message names the nearest), DeploymentError when the deployment does not
    get ready.
    """
    # Imported late: finding this entry point must cost nothing.
    from upheld_reference import deployment, target_file  # noqa: PLC0415

    if sabotages:
        from upheld_reference.sabotages import UnknownSabotageError, find  # noqa: PLC0415

        try:
            for name in sabotages:
                find(name)
        except UnknownSabotageError as error:
            raise LookupError(str(error)) from error
    with deployment.start(tuple(sabotages)) as running:
        yield target_file.write(running.folder, running.facts)
