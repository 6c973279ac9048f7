r"""When a defect of one target is the same as that of another: the normal form of what a finding says, and what it takes out.

Two findings are the same defect when claim, check, the check's parameters, and the normal forms of their subject and of what was
observed are the same. The normal form takes out what cannot tell two defects apart, and nothing besides:

| written | stands for | where |
|---|---|---|
| `‹host›`, `api.‹domain›` | the target's own host names, as its description declares them, renamed one to one | both |
| `:‹port›` | a port from 49152 on at the target's own hosts and at loopback: no service is assigned one (RFC 6335 §6) | both |
| `‹id›` | a UUID (RFC 9562 §4), or at least 12 hexadecimal digits of which one is a decimal digit; the random end of a folder's name in `/tmp` | both |
| `‹time›` | a date with a time of day (RFC 3339, or as a person writes it) | both |
| `‹date›` | a date alone | what was observed |
| `‹n›` | how many, how long or how much: `7 of 90 records`, `43200 minutes`, `line 18` | what was observed |

Everything else stays: versions, algorithms, sizes of keys, HTTP statuses, ports of services, hosts that are not the target's own, names of
people, tenants, roles, files and CVEs. So a group may be smaller than a reader would have made it, and never holds two different defects.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from functools import lru_cache
from ipaddress import ip_address

_FIRST_DYNAMIC_PORT = 49152

_TIMES = r"(?:days?|hours?|minutes?|seconds?|weeks?|months?|years?|min|ms|h|s)"
_SIZES = r"(?:bytes?|[kMGT]i?B)"
_THINGS = (
    r"(?:records?|rows?|entries|entry|values?|requests?|files?|lines?|findings?|connections?|segments?|messages?|objects?|accounts?"
    r"|columns?|tables?|times|looks?|items?|samples?|commits?|builds?|deploys?|places?|copies|copy|secrets?|characters)"
)
_KIND = re.compile(r"(?:\b(?:version|port|answered|status|code|level|class|type|rule)|\b\w*[A-Z]\w*) $")
"""What makes a number that follows name a kind and say no quantity: TLS 1.0, Python 3 files, answered 500, port 22."""
_BEFORE = 40
_FREE = r"(?<![\w.,:/#-])"
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_WHOLE = r"\d{1,3}(?:,\d{3})+|\d+"
_PATTERN = re.compile(
    r"""
    (?P<opening>‹)
    | (?P<id>(?<![0-9A-Za-z_])(?:
        [0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}
        | (?=[A-Fa-f]*[0-9])(?:[0-9a-f]{12,}|[0-9A-F]{12,})
      )(?![0-9A-Za-z_]))
    | (?P<scratch>(?<=/tmp/)[\w.-]{0,80}?)(?P<random>(?=[a-z_]{0,7}\d)[a-z0-9_]{8}(?=/))
    | (?P<time>(?<![\w.-])\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:[ ]?(?:UTC|Z|[+-]\d{2}:?\d{2}))?(?![\w:]))
    | (?P<loopback>(?<![\w.-])(?:127\.0\.0\.1|\[::1\]|localhost))(?P<port>:\d{5})(?!\d)
    """,
    re.VERBOSE,
)
_AMOUNTS = re.compile(
    rf"""
    (?P<date>(?<![\w.-])\d{{4}}-\d{{2}}-\d{{2}}(?![\w-]))
    | {_FREE}(?:{_WHOLE})[ ]of[ ](?:{_WHOLE})(?=[ :;,.)]|$)
    | {_FREE}(?:{_WHOLE})(?=[ ]{_THINGS}\b)
    | {_FREE}(?:{_WHOLE})(?:\.\d+)?(?=[ ]?(?:{_TIMES}|{_SIZES})\b)
    | (?<=\bline[ ])\d+\b | (?<=\blines[ ])\d+\b | (?<=\bentry[ ])\d+\b | (?<=\brow[ ])\d+\b
    """,
    re.VERBOSE,
)


def subject(text: str, own: Own) -> str:
    """The normal form of what a finding is about."""
    return own.pattern.sub(own.renamed, text)


def observed(text: str, own: Own) -> str:
    """The normal form of what was observed, or of the reason why nothing was."""
    return _AMOUNTS.sub(_amount, subject(text, own))


class Own:
    """The host names that are a target's own, and what each is called in a normal form: no two of them alike."""

    def __init__(self, hosts: Collection[str] = ()) -> None:
        self._names = names({one.lower().rstrip(".") for one in hosts})
        self.pattern = _pattern(tuple(sorted(self._names, key=lambda name: (-len(name), name))))

    def renamed(self, found: re.Match[str]) -> str:
        """What stands in a normal form for what was found."""
        kind = found.lastgroup
        if kind == "opening":  # So that nothing that a target sends reads like one of our words.
            return "‹‹"
        if kind in {"id", "time"}:
            return f"‹{kind}›"
        if kind == "random":
            return f"{found.group('scratch')}‹id›"
        host = found.group("loopback") or self._names[found.group("host").lower()]
        port = found.group("port" if found.group("loopback") else "port_of_own") or ""
        return f"{host}:‹port›" if port and int(port[1:]) >= _FIRST_DYNAMIC_PORT else f"{host}{port}"


def names(hosts: Collection[str]) -> Mapping[str, str]:
    """What each of a target's own hosts is called: `‹host›`, or by what stands before the domain that it shares with another of them.

    Those that would be called alike keep their names, as do loopback and addresses beside others.
    """
    dns = sorted(one for one in hosts if not _is_address(one) and _HOST.fullmatch(one))
    addresses = [one for one in hosts if _is_address(one) and not ip_address(one.strip("[]")).is_loopback]
    made: dict[str, str] = {}
    alone: list[str] = []
    for one in dns:
        domain = max((_shared(one, other) for other in dns if other != one), key=len, default="")
        if domain:
            made[one] = f"{one.removesuffix(domain).removesuffix('.')}.‹domain›".lstrip(".")
        else:
            alone.append(one)
    if len(alone) == 1:
        made[alone[0]] = "‹host›"
    if len(addresses) == 1:
        made[addresses[0]] = "‹address›"
    often = Counter(made.values())
    return {one: name for one, name in made.items() if often[name] == 1}


def _shared(one: str, other: str) -> str:
    """The domain of at least two labels that both end in; empty where there is none."""
    same: list[str] = []
    for left, right in zip(reversed(one.split(".")), reversed(other.split(".")), strict=False):
        if left != right:
            break
        same.append(left)
    return ".".join(reversed(same)) if len(same) > 1 else ""


@lru_cache(maxsize=4)
def _pattern(hosts: tuple[str, ...]) -> re.Pattern[str]:
    if not hosts:
        return _PATTERN
    either = "|".join(map(re.escape, hosts))
    own = rf"(?<![\w.-])(?P<host>(?i:{either}))(?![\w-]|\.\w)(?P<port_of_own>:\d{{5}}(?!\d))?"
    return re.compile(f"{own}|{_PATTERN.pattern}", re.VERBOSE)


def _amount(found: re.Match[str]) -> str:
    if found.lastgroup == "date":
        return "‹date›"
    if _KIND.search(found.string[max(0, found.start() - _BEFORE) : found.start()]):
        return found.group()
    return re.sub(_WHOLE, "‹n›", re.sub(r"\.\d+$", "", found.group()))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
