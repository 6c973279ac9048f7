"""The host: facts that were recorded on it or a connection to look through, and who and what is meant to be there."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import IpAddress, Part, RecordsFolder, Url

FactKind = Literal[
    "block devices",
    "mounts",
    "data directory",
    "write-ahead log",
    "temporary space",
    "sshd settings",
    "accounts",
    "authorized keys",
    "processes",
    "upgrade settings",
    "upgrade log",
    "pending updates",
    "changelogs",
    "provider metadata",
    "firmware",
]
"""What can be known of a host: each is what one command prints there, in that command's own format."""


class RecordedFacts(Part):
    """Facts that an inventory job collected on the host: a folder of files, and a manifest that dates each of them.

    The manifest is YAML or JSON with `files`, an object by file name; each entry has `collected_at` (RFC 3339). `files` says
    which file holds which kind of fact. The folder is relative to the target file. Facts that stand in for a host that could not
    be looked at belong into `samples` of the target, so that every report says so.
    """

    folder: RecordsFolder
    manifest: str = "facts.yaml"
    """The manifest's name in the folder."""
    files: dict[FactKind, str]


class Host(Part):
    """The host that the deployment runs on, through facts recorded there or through a connection; one of the two.

    `connection` is a testinfra URL: `local://`, `ssh://user@host`, `docker://container`, `kubectl://pod`; with `?sudo=true`
    commands run as root. Whatever the clients' own configuration says, they connect to what is named here: `address` pins the IP,
    `jump` (`user@host:port`) is the jump host on the way of `ssh://`, and `cluster` is the URL of the API that `kubectl://`
    asks. `commands` replaces the command by which a kind of fact is asked for there.
    """

    name: str = "host"
    recorded: RecordedFacts | None = None
    connection: str | None = Field(default=None, pattern=r"^(local|ssh|paramiko|docker|podman|kubectl|lxc)://")
    address: IpAddress | None = None
    jump: str | None = Field(default=None, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*$")
    cluster: Url | None = None
    commands: dict[FactKind, str] = {}
    maximum_age_hours: float = Field(default=24.0 * 30, gt=0)
    """How old a fact may be; an older one counts as not seen."""
    time_zone: str = "UTC"
    """The IANA name of the time zone in which the host writes its logs."""
    database_paths: dict[Literal["data directory", "write-ahead log", "temporary space"], str] = {}
    """Where the database keeps its files, for a host that is looked at through a connection."""
    services: tuple[str, ...] = ()
    """The commands of the platform's own services, as ps shows them."""
    service_accounts: tuple[str, ...] = ()
    """Accounts that services or the deployment pipeline use."""
    break_glass_accounts: tuple[str, ...] = ()
    """Accounts that people may use in an emergency only."""
    authorized_fingerprints: dict[str, tuple[str, ...]] = {}
    """By account, the SHA-256 fingerprints of the SSH keys that are meant to be let in."""

    @model_validator(mode="after")
    def _one_way_to_look(self) -> Host:
        if (self.recorded is None) == (self.connection is None):
            raise PydanticCustomError("host", "a host has either 'recorded' or 'connection'")
        return self
