"""django-wiki of PyPI under gunicorn, on a SQLite database."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from examples.certificates import one_server
from examples.running import Place, listens


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """The server, over TLS."""
    one_server(place.folder, "Wiki CA", "wiki.example")
    place.secret("key")
    accounts = {name: place.secret(name) for name in ("ada", "bob", "eve", "kim", "zoe")}
    expired = place.run(place.program("python"), "site_accounts.py", given=json.dumps(accounts))
    place.secret("expired", expired)
    place.secret("database", f"sqlite:///{place.folder / 'wiki.sqlite3'}")
    argv = [place.program("gunicorn"), "--bind", f"127.0.0.1:{place.port(18400)}", "--threads", "4"]
    argv += ["--certfile", "certificates/server.pem", "--keyfile", "certificates/server.pem", "--access-logfile", "-"]
    argv += ["django.core.wsgi:get_wsgi_application()"]
    environ = {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": str(place.folder)}
    with place.process(*argv, ready=listens(place.port(18400)), environ=environ):
        yield
