"""The deployment as an embedded target: started for an audit, described by a target file, stopped afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from upheld_reference.deployment import Deployment, Starting


class embedded:  # noqa: N801  (used as a context manager, named like one)
    """As a context manager: the path of the target file of a deployment that runs for the block, with the named sabotages.

    `begin` and the block's beginning raise LookupError for a sabotage that does not exist (its message names the nearest), the latter
    also DeploymentError when the deployment does not get ready.
    """

    def __init__(self, sabotages: Sequence[str] = ()) -> None:
        """Begins nothing yet."""
        self._sabotages = tuple(sabotages)
        self._starting: Starting | None = None
        self._running: Deployment | None = None

    def begin(self) -> None:
        """Lets it come up beside what else there is to do; the block waits for it, and leaving without a block stops it too."""
        # Imported late: finding this entry point must cost nothing.
        from upheld_reference import deployment  # noqa: PLC0415

        if self._sabotages:
            from upheld_reference.sabotages import UnknownSabotageError, find  # noqa: PLC0415

            try:
                for name in self._sabotages:
                    find(name)
            except UnknownSabotageError as error:
                raise LookupError(str(error)) from error
        self._starting = deployment.Starting(self._sabotages)

    def __enter__(self) -> Path:
        """Waits until it is ready."""
        from upheld_reference import target_file  # noqa: PLC0415

        if self._starting is None:
            self.begin()
        assert self._starting is not None  # noqa: S101  (it was begun just now)
        self._running = self._starting.ready()
        try:
            return target_file.write(self._running.folder, self._running.facts)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *exc: object) -> None:
        """Stops it."""
        if self._running is not None:
            self._running.stop()
        elif self._starting is not None:
            self._starting.stop()
