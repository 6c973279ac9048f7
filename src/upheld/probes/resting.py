"""What a look rests on, told beside its code, so that it is known what a change of files can make it see differently.

Each probe has `rests`: for each of its looks which files of the audited repository it reads (`content`), of which it only sees that
they are there (`names`), which folders have to be there, which tools do the looking, and whether it depends on the time of day
(`timed`), on what the policy says beside the check's parameters (`policy`) or on something that no file shows (`outside`: in these words). A look that is not in it rests on the running deployment, of
which files alone never say anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from upheld.target.model import Target

Arguments = Mapping[str, Any]
Picks = Callable[["Target", Arguments], Callable[[str], bool]]
"""From the target and a look's arguments to what says of a path whether the look depends on it."""
Folders = Callable[["Target", Arguments], Sequence[str]]


def no_file(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    """Pick no file."""
    return lambda path: False  # noqa: ARG005


def every_file(target: Target, arguments: Arguments) -> Callable[[str], bool]:  # noqa: ARG001
    """Pick every file."""
    return lambda path: True  # noqa: ARG005


def no_folder(target: Target, arguments: Arguments) -> Sequence[str]:  # noqa: ARG001
    """Name no folder."""
    return ()


@dataclass(frozen=True, slots=True)
class Rests:
    """What one look rests on, besides the target's description, its arguments and the code of its probe."""

    content: Picks = no_file
    names: Picks = no_file
    folders: Folders = no_folder
    tools: tuple[str, ...] = ()
    timed: bool = False
    policy: bool = False
    outside: str = ""

    @property
    def repeatable(self) -> bool:
        """Whether the same files, tools, description and arguments make it see the same, whenever and wherever."""
        return not self.timed and not self.policy and not self.outside


Resting = Mapping[str, Rests]

DESCRIBED: Final = Rests()
"""A look that only reads the target's description."""
DEPLOYMENT: Final = Rests(outside="the running deployment")
"""A look of which nothing is declared."""
HISTORY: Final = "the history of the repository"


def code_folders(target: Target) -> tuple[str, ...]:
    """The folders with the platform's own code."""
    return target.repository.code if target.repository is not None else ()


def below(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of these folders or files, or lies in one of them; `.` holds everything."""
    names = [one.strip("/").removeprefix("./") for one in folders]
    return any(name in {"", "."} or path == name or path.startswith(f"{name}/") for name in names)


def code_ending_with(*endings: str, within: str = "", named: Callable[[str], bool] | None = None) -> Picks:
    """Pick the files of the platform's code that end so, or whose last name `named` knows.

    `within` is the argument of the look that names folders or files to which it keeps (all, where it names none).
    """

    def picks(target: Target, arguments: Arguments) -> Callable[[str], bool]:
        folders, inner = code_folders(target), tuple(arguments.get(within) or ()) if within else ()

        def pick(path: str) -> bool:
            ends = path.endswith(endings) or (named is not None and named(path.rpartition("/")[2]))
            return ends and below(path, folders) and (not inner or below(path, inner))

        return pick

    return picks
