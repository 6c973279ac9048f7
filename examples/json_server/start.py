"""json-server of npm with json-server-auth, four accounts."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator

from examples.running import Place, answers, needed


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """The server on a file of its own; accounts are registered as anybody would."""
    (place.folder / "db.json").write_text('{"users": [], "notes": []}', encoding="utf-8")
    url = f"http://127.0.0.1:{place.port(18300)}"
    program = place.environment / "node_modules" / ".bin" / "json-server-auth"
    argv = [needed("node", "nodejs"), str(program), "db.json", "--routes", "routes.json"]
    argv += ["--host", "127.0.0.1", "--port", str(place.port(18300))]
    with place.process(*argv, ready=answers(f"{url}/notes")):
        for name in ("ada", "bob", "eve", "kim"):
            _send(f"{url}/register", {"email": f"{name}@example.com", "password": place.secret(name)})
        yield


def _send(url: str, body: dict[str, str]) -> None:
    request = urllib.request.Request(  # noqa: S310  (a loopback address of our own)
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310
