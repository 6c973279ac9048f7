"""What programs print of who may get into a host: accounts, keys, settings of sshd, processes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from upheld.errors import Unobservable

_NO_LOGIN = frozenset({"nologin", "false", "true", "sync", "halt", "shutdown"})
_KEY_TYPE = re.compile(
    r"(?:sk-)?(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp\d+)(?:-cert-v\d+)?(?:@openssh\.com)?"
)
_HEADING = re.compile(r"^==> (.+) <==$")


@dataclass(frozen=True, slots=True)
class Account:
    """An entry of the account database. `shell` is empty where the system's default applies, which lets people in."""

    name: str
    uid: int
    home: str
    shell: str

    def __str__(self) -> str:
        """Its name."""
        return self.name

    @property
    def has_shell(self) -> bool:
        """Whether whoever logs in gets a shell."""
        return self.shell.rpartition("/")[2] not in _NO_LOGIN

    @property
    def personal(self) -> bool:
        """Whether its number is one that systems give to people (UID_MIN and UID_MAX of login.defs as distributed)."""
        return 1000 <= self.uid < 60000


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """A public key that is let in: to which account, its SHA-256 fingerprint, its comment and its options."""

    account: str
    fingerprint: str
    comment: str
    options: str
    file: str

    def __str__(self) -> str:
        """`comment (account)`, the fingerprint where it has no comment."""
        return f"{self.comment or self.fingerprint} ({self.account})"


@dataclass(frozen=True, slots=True)
class Process:
    """A process: its account and its command."""

    user: str
    command: str


def accounts_in(text: str) -> tuple[Account, ...]:
    """The accounts that `getent passwd` printed; raises Unobservable for a line that is no entry."""
    found = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) != 7 or not fields[0] or not fields[2].isdecimal():
            raise Unobservable(f"the account database has a line that is no entry: {line[:80]!r}")
        found.append(Account(fields[0], int(fields[2]), fields[5], fields[6]))
    if not any(one.uid == 0 for one in found):
        raise Unobservable("the account database is not whole: it has no account with the number 0")
    return tuple(found)


def settings_in(text: str) -> tuple[tuple[str, str], ...]:
    """The settings that `sshd -T` printed, keyword by keyword; raises Unobservable when they are not whole."""
    found = []
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        if keyword:
            found.append((keyword.lower(), value.strip()))
    if not found:
        raise Unobservable("sshd printed no settings")
    return tuple(found)


def processes_in(text: str) -> tuple[Process, ...]:
    """The processes that `ps -eo user,comm` printed; raises Unobservable when there is none, or no heading."""
    lines = text.splitlines()
    if not lines or lines[0].split()[:1] != ["USER"]:
        raise Unobservable("the list of processes has no heading with USER, so it is not what ps prints")
    found = [Process(*fields) for line in lines[1:] if len(fields := line.split(None, 1)) == 2]
    if not found:
        raise Unobservable("the list of processes is empty")
    return tuple(Process(one.user, one.command.strip()) for one in found)


def keys_in(text: str, accounts: tuple[Account, ...]) -> tuple[AuthorizedKey, ...]:
    """The keys in files of authorised keys, as `tail -v` prints them; raises Unobservable for what it cannot read.

    Whose a file is shows in its name (a file named for the account, as in `authorized_keys.d`) or in the home folder it is in.
    """
    found: list[AuthorizedKey] = []
    file = ""
    for line in text.splitlines():
        if heading := _HEADING.match(line):
            file = heading[1]
        elif (stripped := line.strip()) and not stripped.startswith("#"):
            if not file:
                raise Unobservable("the authorised keys do not say in which file they are")
            found.append(_key(stripped, _owner(file, accounts), file))
    if not file:
        raise Unobservable("no file of authorised keys is listed")
    return tuple(found)


def files_of_keys(text: str) -> tuple[str, ...]:
    """The files that the listing shows."""
    return tuple(found[1] for line in text.splitlines() if (found := _HEADING.match(line)))


def _owner(file: str, accounts: tuple[Account, ...]) -> str:
    homes = [one for one in accounts if one.home not in {"", "/"} and file.startswith(f"{one.home.rstrip('/')}/")]
    if homes:
        return max(homes, key=lambda one: len(one.home)).name
    name = file.rpartition("/")[2]
    if any(one.name == name for one in accounts):
        return name
    raise Unobservable(f"{file} belongs to no account of the account database")


def _key(line: str, account: str, file: str) -> AuthorizedKey:
    words = list(_words(line))
    index = next((n for n, word in enumerate(words[:2]) if _KEY_TYPE.fullmatch(word)), None)
    if index is None or len(words) < index + 2:
        raise Unobservable(f"{file} has a line that is no authorised key: {line[:60]!r}")
    try:
        blob = base64.b64decode(words[index + 1], validate=True)
    except (binascii.Error, ValueError):
        raise Unobservable(f"{file} has a key that is no base64: {line[:60]!r}") from None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    options = words[0] if index else ""
    return AuthorizedKey(account, f"SHA256:{digest}", " ".join(words[index + 2 :]), options, file)


def _words(line: str) -> Iterator[str]:
    """The words of a line; what is in double quotes belongs to one word (sshd(8), AUTHORIZED_KEYS FILE FORMAT)."""
    word, quoted, escaped = "", False, False
    for character in line:
        if character in " \t" and not quoted:
            if word:
                yield word
            word = ""
            continue
        if character == '"' and not escaped:
            quoted = not quoted
        escaped = character == "\\" and not escaped
        word += character
    if word:
        yield word
