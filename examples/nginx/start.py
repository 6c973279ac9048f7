"""nginx of the operating system, with a certificate authority made on the spot."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from examples.certificates import DAY, Authority
from examples.running import Place, listens, needed

HOST = "www.shop.example"


def certificates(folder: Path) -> None:
    """Every certificate that `nginx.conf` and `target.yaml` name."""
    folder.mkdir()
    public, other = Authority(folder, "Public CA"), Authority(folder, "Other CA")
    between = Authority(folder, "Intermediate CA", public)
    (folder / "ca.pem").write_bytes(public.pem)
    public.issue("good", HOST)
    public.issue("expired", HOST, ends=-2)
    public.issue("expired-rsa", HOST, ends=-2, key=rsa.generate_private_key(65537, 2048))
    public.issue("not-yet", HOST, begins=2)
    public.issue("self-signed", HOST, self_signed=True)
    public.issue("other-name", "www.other.example")
    public.issue("weak-rsa", HOST, key=rsa.generate_private_key(65537, 1024))  # noqa: S505  (that is its defect)
    other.issue("other-authority", HOST)
    between.issue("missing-intermediate", HOST)
    between.issue("chain", HOST, sent_along=between.pem)
    internal, second = Authority(folder, "Internal CA"), Authority(folder, "Partners' CA")
    (folder / "internal-ca.pem").write_bytes(internal.pem)
    (folder / "both-ca.pem").write_bytes(internal.pem + second.pem)
    internal.issue("internal", HOST)
    internal.issue("client", "billing.internal")
    internal.issue("client-expired", "billing.internal", ends=-2)
    revoked = internal.issue("client-revoked", "billing.internal")
    second.issue("client-partner", "billing.internal")
    internal.revocations("internal-crl.pem", revoked)


@contextlib.contextmanager
def start(place: Place) -> Iterator[None]:
    """One nginx process that serves every configuration."""
    certificates(place.folder / "certificates")
    (place.folder / "temporary").mkdir()
    expires = dt.datetime.now(dt.UTC) + 180 * DAY
    security_txt = f"Contact: mailto:security@shop.example\nExpires: {expires:%Y-%m-%dT00:00:00Z}\n"
    (place.folder / "pages" / ".well-known").mkdir()
    (place.folder / "pages" / ".well-known" / "security.txt").write_text(security_txt, encoding="utf-8")
    configuration = str(place.folder / "nginx.conf")
    argv = [needed("nginx", "nginx"), "-e", "stderr", "-p", str(place.folder), "-c", configuration]
    with place.process(*argv, ready=listens(place.port(18100))):
        yield
