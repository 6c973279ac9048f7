"""Where logs are read: files here or on another host, a unit's journal, a container's output."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import IpAddress, Part, Url


class Journald(Part):
    """The journal of one systemd unit, as `journalctl --output=json` prints it."""

    unit: str = Field(pattern=r"^[A-Za-z0-9:_.@\\][A-Za-z0-9:_.@\\-]*$", max_length=256)
    directory: str | None = Field(default=None, pattern=r"^/")
    """The folder of journal files, where it is not the system's own: on a host that collects the journals of others, say."""


class Container(Part):
    """What a container wrote to its standard output and error, as `docker logs` prints it."""

    container: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=256)
    podman: bool = False
    """Whether podman runs it, and not Docker."""


class LogSource(Part):
    """Log files by a pattern, a journal or a container's output; exactly one of `path`, `journald` and `docker`.

    Files are found relative to the target file, and rotated and compressed ones are read too. With `connection` (a testinfra URL as that of
    `host`: `local://`, `ssh://user@host`, `docker://container`, `podman://container`, `kubectl://pod`) they are read on that host, where
    `path` is absolute; `address`, `jump` and `cluster` are as those of `host`.
    """

    name: str
    path: str | None = None
    journald: Journald | None = None
    docker: Container | None = None
    connection: str | None = Field(default=None, pattern=r"^(local|ssh|docker|podman|kubectl)://")
    address: IpAddress | None = None
    jump: str | None = Field(default=None, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*$")
    cluster: Url | None = None
    security: bool = False
    """Whether failed logins and lockouts are recorded here."""
    foreign: bool = False
    """Whether somebody else keeps it (a service that is called, say), so that what lies in it is not stored here."""

    @model_validator(mode="after")
    def _one_place(self) -> LogSource:
        if sum(one is not None for one in (self.path, self.journald, self.docker)) != 1:
            raise PydanticCustomError("log", "a log has exactly one of 'path', 'journald' and 'docker'")
        if self.path is not None and self.connection is not None:
            if not self.path.startswith("/"):
                raise PydanticCustomError("log", "the path of a log that is read through a connection must be absolute")
            if "**" in self.path or "\0" in self.path or "\n" in self.path:
                raise PydanticCustomError("log", "a path that is read through a connection takes no **")
        return self
