"""fastapi-users of PyPI under uvicorn, on a SQLite database."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator

from examples.certificates import one_server
from examples.running import Place, listens

_ACCOUNTS = {"root": "yes", "eve": "yes", "ada": "no", "kim": "no"}


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """The server, over TLS, with two accounts that may do everything and two that may not."""
    one_server(place.folder, "Accounts CA", "accounts.example")
    place.secret("key")
    given = {
        name: [f"00000000-0000-4000-8000-{number:012}", place.secret(name), may]
        for number, (name, may) in enumerate(_ACCOUNTS.items(), 1)
    }
    expired = place.run(place.program("python"), "site_app.py", given=json.dumps(given))
    place.secret("expired", expired.strip())
    shutil.copy(place.folder / "accounts.sqlite3", place.folder / "seed.sqlite3")
    place.secret("database", f"sqlite:///{place.folder / 'accounts.sqlite3'}")
    argv = [place.program("uvicorn"), "site_app:app", "--host", "127.0.0.1", "--port", str(place.port(18500))]
    argv += ["--ssl-certfile", "certificates/server.pem", "--ssl-keyfile", "certificates/server.pem"]
    with place.process(*argv, ready=listens(place.port(18500)), environ={"PYTHONPATH": str(place.folder)}):
        yield
