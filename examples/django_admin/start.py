"""Django's administration under gunicorn with TLS, and its MariaDB with TLS, accounts for three purposes and a role."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from examples.certificates import Authority
from examples.running import NotInstalled, Place, listens

from examples import mariadb

# The application may do all that Django's documentation asks for when no tables are to be made.
ACCOUNTS = """\
CREATE DATABASE site CHARACTER SET utf8mb4
CREATE ROLE site_app
GRANT SELECT, INSERT, UPDATE, DELETE ON site.* TO site_app
CREATE USER 'owner'@'127.0.0.1' IDENTIFIED BY '{owner}' REQUIRE SSL
GRANT ALL ON site.* TO 'owner'@'127.0.0.1'
CREATE USER 'app'@'127.0.0.1' IDENTIFIED BY '{app}' REQUIRE SSL
GRANT site_app TO 'app'@'127.0.0.1'
SET DEFAULT ROLE site_app FOR 'app'@'127.0.0.1'
CREATE USER 'auditor'@'127.0.0.1' IDENTIFIED BY '{auditor}' REQUIRE SSL
GRANT SELECT ON site.* TO 'auditor'@'127.0.0.1'
GRANT SELECT ON mysql.* TO 'auditor'@'127.0.0.1'
"""


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """The database, and then the server."""
    if mariadb.missing():
        raise NotInstalled(mariadb.missing())
    certificates = place.folder / "certificates"
    certificates.mkdir()
    authority = Authority(certificates, "Admin CA")
    (certificates / "ca.pem").write_bytes(authority.pem)
    authority.issue("server", "admin.example")
    authority.issue("database", "db.example")
    authority.issue("auditor", "auditor.example")
    port = place.port(18601)
    passwords = {name: mariadb.fresh_password() for name in ("owner", "app", "auditor")}
    for name, password in passwords.items():
        place.secret(f"database-{name}", password)
        options = f"ssl_ca={certificates / 'ca.pem'}&ssl_check_hostname=false"
        place.secret(f"url-{name}", f"mysql://{name}:{password}@127.0.0.1:{port}/site?{options}")
    place.secret("key")
    accounts = {name: place.secret(name) for name in ("ada", "eve", "bob", "kim", "zoe")}
    with mariadb.running(
        port,
        mariadb.fresh_password(),
        statements=ACCOUNTS.format(**passwords).splitlines(),
        certificate=certificates / "database.pem",
        authority=certificates / "ca.pem",
        options=("--require-secure-transport=ON",),
    ):
        place.secret("expired", place.run(place.program("python"), "site_accounts.py", given=json.dumps(accounts)))
        argv = [place.program("gunicorn"), "--bind", f"127.0.0.1:{place.port(18600)}", "--threads", "4"]
        argv += ["--certfile", "certificates/server.pem", "--keyfile", "certificates/server.pem"]
        argv += ["--access-logfile", "-", "django.core.wsgi:get_wsgi_application()"]
        environ = {"DJANGO_SETTINGS_MODULE": "site_settings", "PYTHONPATH": str(place.folder)}
        with place.process(*argv, ready=listens(place.port(18600)), environ=environ):
            yield
