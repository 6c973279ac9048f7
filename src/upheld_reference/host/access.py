"""Who may log in to the host: the SSH server's settings, the accounts, and the keys that are let in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from upheld_reference.host.recording import HOST, Recording

KEYS_FOLDER = "/etc/ssh/authorized_keys.d"
"""Where the keys of an account lie, in a file of its name."""
DEPLOY, BREAK_GLASS = "deploy", "breakglass"
"""The account of the deployment pipeline, and that of the break-glass procedure."""
SERVICES = ("edge", "api", "vault", "worker", "staff", "backup")
"""The platform's own services; each runs under the account ``rivet-<service>``."""


@dataclass(frozen=True)
class Key:
    """A public key that an account lets in."""

    account: str
    comment: str
    security_key: bool = False
    """Whether it is held by a hardware token, which asks for a touch."""
    options: str = ""
    """What the key may do."""

    @property
    def blob(self) -> bytes:
        """The key as in RFC 4253 §6.6; its value is made from what it is for, and nobody has the private part."""
        public = hashlib.sha256(f"{self.account} {self.comment} {HOST}".encode()).digest()
        parts = [self.kind.encode("ascii"), public, *([b"ssh:"] if self.security_key else [])]
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)

    @property
    def kind(self) -> str:
        """The name of its algorithm."""
        return "sk-ssh-ed25519@openssh.com" if self.security_key else "ssh-ed25519"

    @property
    def fingerprint(self) -> str:
        """As ssh-keygen prints it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip('=')}"

    @property
    def line(self) -> str:
        """Its line in authorized_keys."""
        return f"{self.options} {self.kind} {base64.b64encode(self.blob).decode()} {self.comment}".lstrip()


DECLARED_KEYS = (
    Key(DEPLOY, "deployment-pipeline", options='restrict,command="/usr/local/sbin/rivet-deploy"'),
    Key(BREAK_GLASS, "break-glass-token-1", security_key=True),
    Key(BREAK_GLASS, "break-glass-token-2", security_key=True),
)
"""The keys that are meant to be let in: the pipeline's, and those of the two tokens in the safe."""

_SYSTEM = (
    "root:x:0:0:root:/root:/bin/bash",
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
    "bin:x:2:2:bin:/bin:/usr/sbin/nologin",
    "sys:x:3:3:sys:/dev:/usr/sbin/nologin",
    "sync:x:4:65534:sync:/bin:/bin/sync",
    "man:x:6:12:man:/var/cache/man:/usr/sbin/nologin",
    "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin",
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
    "_apt:x:42:65534::/nonexistent:/usr/sbin/nologin",
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
    "systemd-network:x:998:998:systemd Network Management:/:/usr/sbin/nologin",
    "systemd-timesync:x:997:997:systemd Time Synchronization:/:/usr/sbin/nologin",
    "messagebus:x:100:106::/nonexistent:/usr/sbin/nologin",
    "sshd:x:101:65534::/run/sshd:/usr/sbin/nologin",
    "postgres:x:102:108:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash",
)


def recordings() -> Mapping[str, Recording]:
    """Settings of sshd, accounts and authorised keys."""
    return {
        "sshd-T.txt": Recording("OpenSSH 9.2p1 Debian-2+deb12u10", "sshd -T", sshd_settings()),
        "passwd.txt": Recording("glibc 2.36", "getent passwd", "".join(f"{line}\n" for line in accounts())),
        "authorized_keys.txt": Recording(
            "coreutils 9.1", f"tail -v -n +1 {KEYS_FOLDER}/*", _listing(authorized_keys())
        ),
    }


def sshd_settings() -> str:
    """The settings in force, as sshd prints them."""
    return Path(__file__).with_name("samples").joinpath("sshd-T.txt").read_text(encoding="utf-8")


def accounts() -> list[str]:
    """The lines of the account database."""
    services = [
        f"rivet-{name}:x:{990 - n}:{990 - n}::/nonexistent:/usr/sbin/nologin" for n, name in enumerate(SERVICES)
    ]
    return [
        *_SYSTEM,
        *services,
        f"{DEPLOY}:x:1000:1000:deployment pipeline,,,:/srv/deploy:/bin/sh",
        f"{BREAK_GLASS}:x:1001:1001:break-glass procedure,,,:/home/breakglass:/bin/bash",
    ]


def authorized_keys() -> tuple[Key, ...]:
    """The keys that are let in."""
    return DECLARED_KEYS


def _listing(keys: tuple[Key, ...]) -> str:
    files = []
    for account in sorted({key.account for key in keys}):
        lines = "".join(f"{key.line}\n" for key in keys if key.account == account)
        files.append(f"==> {KEYS_FOLDER}/{account} <==\n{lines}")
    return "\n".join(files)
