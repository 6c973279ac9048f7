"""Where a store of backups is on the network: the hosts that its URL, its options and the target name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from upheld.errors import Unobservable

if TYPE_CHECKING:
    from upheld.probes.scope import Scope
    from upheld.target.backups import Backups

_LOCAL = frozenset(
    {"file", "local", "memory", "dir", "zip", "tar", "libarchive", "git", "simplecache", "filecache", "blockcache"}
)
"""Stores without a network, and those that stand before another one."""
_BY_HOST = {"http": 80, "https": 443, "sftp": 22, "ssh": 22, "webhdfs": 50070, "webhdfss": 50070, "smb": 445}
"""Stores whose URL names their host, with the default port."""
_BY_NAME = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "github", "dropbox", "hf", "webdav"}
)
"""Stores that their library finds by the name of a bucket or an account."""
_SECURE = 443
_DEFAULT_ENDPOINTS = {"http": 80, "https": _SECURE}


def admit(description: Backups, options: Mapping[str, object], scope: Scope) -> bool:
    """Let the fence through to the store's hosts; gives whether the store uses the network at all.

    Raises Unobservable for a store whose hosts the target does not name, or whose library does not keep to the fence.
    """
    schemes = [part.partition("://")[0].lower() for part in description.store.split("::") if part]
    networked = False
    for part, scheme in zip(description.store.split("::"), schemes, strict=False):
        if scheme in _LOCAL or ("://" not in part and len(schemes) == 1):
            continue
        networked = True
        if scheme in _BY_HOST:
            _by_host(part, scheme, options, scope)
        elif scheme in _BY_NAME:
            if not description.hosts and not _endpoints(options):
                raise Unobservable(
                    f"the target does not say at which hosts the backup store {description.store} is (backups.hosts)"
                )
        elif scheme:
            raise Unobservable(
                f"there is no way to the backup store: the library of {scheme} is not known to keep to declared hosts"
            )
    if networked:
        for host, port in (*_endpoints(options), *map(_declared, description.hosts)):
            if host.startswith("*."):
                scope.reach_below("the backup store", host[2:], port)
            else:
                scope.reach("the backup store", host, port)
    return networked


def _by_host(part: str, scheme: str, options: Mapping[str, object], scope: Scope) -> None:
    parts = urlsplit(part)
    host = parts.hostname or str(options.get("host") or "")
    if not host:
        raise Unobservable("the URL of the backup store names no host")
    given = parts.port or options.get("port")
    scope.reach("the backup store", host, int(str(given)) if given else _BY_HOST[scheme])


def _endpoints(options: Mapping[str, object]) -> list[tuple[str, int]]:
    """The hosts of options that are URLs, such as `endpoint_url`."""
    found = []
    for value in options.values():
        parts = urlsplit(value) if isinstance(value, str) and value.startswith(("http://", "https://")) else None
        if parts is not None and parts.hostname:
            found.append((parts.hostname, parts.port or _DEFAULT_ENDPOINTS[parts.scheme]))
    return found


def _declared(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest.removeprefix(":") or _SECURE)
    host, _, port = text.partition(":")
    return host, int(port or _SECURE)
