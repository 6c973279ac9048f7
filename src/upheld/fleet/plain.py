"""Plain data as YAML that says the same to every reader: it is JSON, in which no scalar can be taken for another one."""

from __future__ import annotations

import json
import re

_NOT_PRINTED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def as_yaml(data: object) -> bytes:
    """The data as UTF-8; raises ValueError for numbers that are not finite."""
    text = json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False)
    # What YAML does not allow as it is stands escaped; characters beyond 16 bits must not (JSON would make two of them).
    return (_NOT_PRINTED.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n").encode()
