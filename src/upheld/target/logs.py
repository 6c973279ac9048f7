"""Where logs are read: files here or on another host, a unit's journal, a container's output, the outputs of pods."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.parts import IpAddress, LocalPattern, Part, Url

_KINDS = ("path", "journald", "docker", "kubectl")


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


class Pods(Part):
    """What the containers of one pod, or of all that a selector meets, wrote, as `kubectl logs` gives it.

    The output of each container is read, of those that have ended and of what ran before a restart too.
    """

    namespace: str = Field(default="default", pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", max_length=63)
    pod: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=253)
    selector: str | None = Field(default=None, pattern=r"^[A-Za-z0-9!(][A-Za-z0-9 !=,()./_-]*$", max_length=1000)
    container: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=63)
    """The one container whose output is a log; without it all of them are read."""
    kubeconfig: str | None = Field(default=None, pattern=r"^/")
    """kubectl's configuration, where it is not the user's own."""
    context: str | None = Field(default=None, pattern=r"^[^\s-]\S*$", max_length=1000)

    @model_validator(mode="after")
    def _one_choice(self) -> Pods:
        if (self.pod is None) == (self.selector is None):
            raise PydanticCustomError("log", "outputs of pods have exactly one of 'pod' and 'selector'")
        return self


class LogSource(Part):
    """Log files by a pattern, a journal, a container's output or those of pods; exactly one of `path`, `journald`, `docker` and `kubectl`.

    Files are found relative to the target file, and rotated and compressed ones are read too. With `connection` (a testinfra URL as that of
    `host`: `local://`, `ssh://user@host`, `docker://container`, `podman://container`, `kubectl://pod`) files, journals and outputs of
    containers are read on that host, where `path` is absolute; `address`, `jump` and `cluster` are as those of `host`. Outputs of pods are
    read by this machine's kubectl, from the API at `cluster`.
    """

    name: str
    path: LocalPattern | None = None
    journald: Journald | None = None
    docker: Container | None = None
    kubectl: Pods | None = None
    connection: str | None = Field(default=None, pattern=r"^(local|ssh|docker|podman|kubectl)://")
    address: IpAddress | None = None
    jump: str | None = Field(default=None, pattern=r"^([A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9_\[][A-Za-z0-9_.:\]-]*$")
    cluster: Url | None = None
    time_zone: str | None = None
    """The IANA name of the time zone of lines whose times say none; by default this machine's for its own files, and unknown for others."""
    security: bool = False
    """Whether failed logins and lockouts are recorded here."""
    foreign: bool = False
    """Whether somebody else keeps it (a service that is called, say), so that what lies in it is not stored here."""

    @model_validator(mode="after")
    def _one_place(self) -> LogSource:
        if sum(getattr(self, one) is not None for one in _KINDS) != 1:
            raise PydanticCustomError("log", "a log has exactly one of 'path', 'journald', 'docker' and 'kubectl'")
        if self.kubectl is not None:
            if self.cluster is None:
                raise PydanticCustomError("log", "outputs of pods need 'cluster', the URL of the cluster's API")
            if self.connection is not None:
                raise PydanticCustomError("log", "outputs of pods are read by this machine's kubectl: no 'connection'")
        if self.path is not None and self.connection is not None:
            if not self.path.startswith("/"):
                raise PydanticCustomError("log", "the path of a log that is read through a connection must be absolute")
            if "**" in self.path or "\0" in self.path or "\n" in self.path:
                raise PydanticCustomError("log", "a path that is read through a connection takes no **")
        return self
