"""What the API hands out, searched for hashes of passwords: its answers, the tokens that it gives, and what those say.

A look tells where a hash stands and of what form it is. Its value never leaves the probe.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, cast

from upheld.errors import Unobservable
from upheld.probes.api import Api
from upheld.probes.api_logins import account_of, at
from upheld.probes.base import Probe, look
from upheld.probes.passwords import known_passwords
from upheld.probes.sending import AS_MEMBERS, HTTP, Sending, Sends

VALUES_LIMIT = 200_000
"""Values of one answer that are searched; more are Unobservable."""
_DECODED = 1 << 20
_DEEPEST = 3
_PART = re.compile(r"[A-Za-z0-9_-]{8,}=*")
_B64 = r"[A-Za-z0-9+/=]"
_CRYPT = r"[./A-Za-z0-9]"
_FORMS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("bcrypt", rf"\$2[abxy]?\$\d\d\${_CRYPT}{{53}}"),
        ("Argon2", rf"\$argon2(?:id|i|d)\$(?:v=\d+\$)?m=\d+,t=\d+,p=\d+\${_B64}+\${_B64}+"),
        ("scrypt", rf"\bscrypt[$:]\d+[$:]\d+[$:]\d+\$[^\s$]+\${_B64}{{16,}}"),
        ("scrypt", rf"\bscrypt\$[^\s$]+\$\d+\$\d+\$\d+\${_B64}{{16,}}"),
        ("scrypt", rf"\$scrypt\$ln=\d+,r=\d+,p=\d+\$[^\s$]+\${_B64}{{16,}}"),
        ("PBKDF2", rf"\bpbkdf2[_:]sha\d+[$:]\d+\$[^\s$]+\${_B64}{{16,}}"),
        ("PBKDF2", rf"\$pbkdf2(?:-sha\d+)?\$\d+\${_CRYPT}+\${_CRYPT}{{16,}}"),
        ("SHA-crypt", rf"\$[56]\$(?:rounds=\d+\$)?{_CRYPT}{{1,16}}\${_CRYPT}{{43,86}}"),
        ("yescrypt", rf"\$g?y\${_CRYPT}+\${_CRYPT}{{1,86}}\${_CRYPT}{{43}}"),
        ("MD5-crypt", rf"\$(?:1|apr1)\${_CRYPT}{{1,8}}\${_CRYPT}{{22}}"),
        ("phpass", rf"\$[PH]\${_CRYPT}{{31}}"),
        ("LDAP", r"(?i:\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT)\})[^\s\"]{16,}"),
        ("SCRAM", r"\bSCRAM-SHA-(?:1|256|512)\$\d+:[^\s$]+\$[^\s:]+:\S+"),
        ("salted MD5 or SHA-1", r"\b(?:md5|sha1)\$[^\s$]*\$(?:[0-9a-f]{40}|[0-9a-f]{32})\b"),
        ("MySQL", r"(?<!\w)\*[0-9A-F]{40}\b"),
    )
)
_NAMES = re.compile(
    r"(?:.*_)?(?:pass(?:word|wd|phrase)?|pwd?|pw)(?:_?(?:hash(?:ed)?|digest|salt|verifier|enc(?:rypted)?|crypt))?"
    r"|(?:.*_)?(?:hash(?:ed)?|encrypted|crypted|digest)_?(?:pass(?:word|wd|phrase)?|pwd|pw)",
)


@dataclass(frozen=True, slots=True)
class HashSeen:
    """Where a hash stands, as a JSON pointer, and of what form it is."""

    place: str
    form: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What one answer, or one token, showed: how many values, whether an account of the harness by its name, and hashes."""

    status: int
    worked: bool
    values: int
    names_account: bool
    hashes: tuple[HashSeen, ...]


class ShownHashes(Probe):
    """What the API that the target declares hands out, to its identities and to strangers."""

    name: ClassVar[str] = "shown_hashes"
    needs: ClassVar[tuple[str, ...]] = ("api",)
    sends: ClassVar[Sending] = {
        "in_answer": (*AS_MEMBERS, Sends(HTTP, "{operations} that read", "nobody, {members}", 1)),
        **dict.fromkeys(("in_login", "in_token"), AS_MEMBERS),
        "own_account": (*AS_MEMBERS, Sends(HTTP, "{call:access.profile.read}", "{members}", 1)),
    }

    @look
    def in_answer(self, operation: str, identity: str | None, objects: Mapping[str, str]) -> Shown:
        """The answer to a valid call of an operation; of a stranger's where there is no identity."""
        answer, _, reply = self._api.answer(operation, identity, objects)
        return self._searched(_parsed(answer.text), answer.status, worked=reply.worked)

    @look
    def in_login(self, identity: str) -> Shown:
        """The answer to a login, with the cookies that it sets; raises Refused when it is refused."""
        begun, _ = self._api.logins.begin(self._api.identity(identity), self._api.client(""))
        answer = begun.answer
        if answer is None:
            raise Unobservable(f"the credential of {identity} is not asked for, so no login answers")
        cookies = [cookie.partition(";")[0].partition("=")[2] for cookie in answer.headers_all("set-cookie")]
        found = {"answer": _parsed(answer.text), "cookies": cookies}
        return self._searched(found, answer.status, worked=True)

    @look
    def in_token(self, identity: str) -> Shown:
        """What the token says by which an identity is known; one that says nothing has no values."""
        headers = self._api.authorization(identity)
        decoded = [one for value in headers.values() for one in _decoded(value.rpartition(" ")[2])]
        return self._searched(dict(decoded), 200, worked=True)

    @look
    def own_account(self, identity: str) -> tuple[tuple[str, str], ...]:
        """The identity's own account as (kind of object, identifier); nothing where the target does not say how to read it."""
        access = self.target.access
        if access is None or access.profile is None or access.role_change is None:
            return ()
        answer, _, reply = self._api.answer(access.profile.read, identity, {})
        return ((access.role_change.kind, str(at(answer.json(), access.profile.id))),) if reply.worked else ()

    # --- inside ----------------------------------------------------------------------------------------------------

    @cached_property
    def _known(self) -> dict[str, str]:
        return known_passwords(self.session)

    @property
    def _api(self) -> Api:
        return cast("Api", self.session.probe(Api))

    def _searched(self, data: Any, status: int, *, worked: bool) -> Shown:
        known = self._known
        accounts = {account_of(one).casefold() for one in self.target.identities}
        values, named = 0, False
        hashes: list[HashSeen] = []
        for place, key, value in _values(data):
            values += 1
            if values > VALUES_LIMIT:
                raise Unobservable(f"the answer holds more than {VALUES_LIMIT} values")
            named = named or any(account in value.casefold() for account in accounts)
            if form := _form(key, value, known):
                hashes.append(HashSeen(place, form))
        return Shown(status, worked, values, named, tuple(hashes))


def _parsed(text: str) -> Any:
    """A body as JSON, or else line by line."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return [line for line in text.split("\n") if line.strip()]


def _values(data: Any, place: str = "", key: str = "", deep: int = 0) -> Iterator[tuple[str, str, str]]:
    """Every string with its place and the name nearest to it, those in tokens and cookies too; other values without their text."""
    waiting: list[tuple[Any, str, str, int]] = [(data, place, key, deep)]
    while waiting:
        one, place, key, deep = waiting.pop()
        if isinstance(one, dict):
            waiting += [
                (value, f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}", str(name), deep)
                for name, value in reversed(one.items())
            ]
        elif isinstance(one, list):
            waiting += [(value, f"{place}/{index}", key, deep) for index, value in reversed(list(enumerate(one)))]
        elif isinstance(one, str):
            yield place, key, one
            if deep < _DEEPEST:
                waiting += [(value, f"{place}, decoded {name}", key, deep + 1) for name, value in _decoded(one)]
        elif one is not None:
            yield place, key, ""


def _decoded(value: str) -> Iterator[tuple[str, Any]]:
    """The parts of a JSON web token, a signed cookie and the like that are JSON, each with a name for its place."""
    for index, part in enumerate(re.split(r"[.:]", value)[:8]):
        if not _PART.fullmatch(part) or len(part) > _DECODED:
            continue
        try:
            raw = base64.urlsafe_b64decode(part.rstrip("=") + "=" * (-len(part.rstrip("=")) % 4))
            if raw.startswith(b"\x78"):
                raw = zlib.decompressobj().decompress(raw, _DECODED)
            if not raw.lstrip().startswith((b"{", b"[")):
                continue
            yield f"part {index + 1}", json.loads(raw)
        except (ValueError, RecursionError, binascii.Error, zlib.error):
            continue


def _form(key: str, value: str, known: Mapping[str, str]) -> str:
    """Of what form a hash of a password is; empty for what is none."""
    if value and (how := known.get(value) or known.get(value.lower())):
        return f"the harness's own password, {how}"
    if form := next((name for name, pattern in _FORMS if pattern.search(value)), ""):
        return f"a password hash ({form})"
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).replace("-", "_").replace(".", "_").lower()
    if _NAMES.fullmatch(snake) and _is_digest(value):
        return "a digest under that name"
    return ""


def _is_digest(value: str) -> bool:
    if re.fullmatch(r"(?i)(?:0x|\\x)?[0-9a-f]{32,256}", value):
        return True
    if not re.fullmatch(r"[A-Za-z0-9+/_-]{22,344}={0,2}", value):
        return False
    # Of words alone nothing is a digest: sixteen bytes in base64 have letters of both cases, or digits among them.
    return len({"a" if one.islower() else "A" if one.isupper() else "0" for one in value if one.isalnum()}) == 3
