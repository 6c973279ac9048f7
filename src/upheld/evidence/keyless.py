"""Signing without a key of one's own: Sigstore certifies an identity that the environment vouches for, and logs what it signed.

A key that is made for one bundle alone signs its statements, and is thrown away. The identity signs the statement about the run, in
which the public half of that key stands; so whoever believes the identity needs to pin no key. The reader names the identity, who
vouched for it, and the roots of the Sigstore instance; nothing is asked of any network to verify.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import load_der_public_key

from upheld.errors import InputError, Mistake, UpheldError
from upheld.evidence.container import Damaged
from upheld.evidence.keys import Issuer, Signer, SigningKey, encoded, fit

if TYPE_CHECKING:
    from types import ModuleType

    from sigstore.models import ClientTrustConfig, TrustedRoot
    from sigstore.oidc import IdentityToken

LARGEST = 1 << 20
"""Bytes that Sigstore's part of a bundle may have."""
_PLACES = (
    "GitHub Actions (permissions: id-token: write), GitLab CI (id_tokens: SIGSTORE_ID_TOKEN with aud: sigstore), "
    "Google Cloud, Buildkite or CircleCI"
)


class NoIdentity(UpheldError):
    """The environment vouches for no identity, or Sigstore did not certify it."""


class NotVouched(UpheldError):
    """The identity that the reader named did not sign this."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """Whom a reader believes instead of a key: an identity, the OIDC issuer that vouches for it, and the roots of the Sigstore instance.

    Without `roots` those of the public instance count that the package sigstore holds.
    """

    identity: str
    issuer: str
    roots: Path | None = None


def made_key() -> SigningKey:
    """A key for one bundle."""
    return SigningKey(ed25519.Ed25519PrivateKey.generate())


class Identity:
    """The identity for which this environment vouches; called with bytes, it has them signed and gives Sigstore's bundle of that."""

    def __init__(self, token: IdentityToken, trust: ClientTrustConfig | None) -> None:
        """`trust` is the configuration of a Sigstore instance, None for the public one."""
        self.name: str = token.identity
        self.issuer: str = token.federated_issuer
        self._token = token
        self._trust = trust

    def __call__(self, content: bytes) -> bytes:
        """Sigstore's bundle of the signature of `content`; raises NoIdentity where there is none."""
        from sigstore.models import ClientTrustConfig as Config  # noqa: PLC0415
        from sigstore.sign import SigningContext  # noqa: PLC0415

        try:
            with _quiet():
                trust = self._trust if self._trust is not None else Config.production()
                with SigningContext.from_trust_config(trust).signer(self._token) as at_work:
                    return at_work.sign_artifact(content).to_json().encode()
        except Exception as error:  # Whatever the library or its services end with, there is no signature; it says why.
            said = (str(error) or str(error.__cause__ or "") or type(error).__name__).replace(str(self._token), "…")
            raise NoIdentity(f"Sigstore signed nothing: {said}") from None


def signer(config: Path | None) -> Identity:
    """The identity of this environment; `config` is the trust configuration of an instance (JSON), None for the public one.

    Raises NoIdentity where there is none, InputError for a file that is no configuration.
    """
    _library()
    trust = _config(config) if config is not None else None
    return Identity(_credential(), trust)


def vouched(content: bytes, bundle: bytes, pinned: Pinned) -> tuple[datetime, datetime]:
    """Between which instants the pinned identity signed these bytes, by Sigstore's bundle of it; raises NotVouched, or InputError for its roots."""
    _library()
    from sigstore.models import Bundle  # noqa: PLC0415
    from sigstore.verify import Verifier, policy  # noqa: PLC0415

    roots = _roots(pinned.roots)
    try:
        with _quiet():
            read = Bundle.from_json(bundle)
            if read.to_json().encode() != bundle:
                raise ValueError("it is not written as Sigstore writes it")
            who = policy.Identity(identity=pinned.identity, issuer=pinned.issuer)
            Verifier(trusted_root=roots).verify_artifact(content, read, who)
    except (
        Exception
    ) as error:  # It reads what anybody may have written: whatever it stumbles over, nobody is vouched for.
        said = str(error) or type(error).__name__
        raise NotVouched(f"{pinned.identity}, known to {pinned.issuer}, did not sign it: {said}") from None
    certificate = read.signing_certificate
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


def written(key: Signer) -> str:
    """The public half of a key as a statement names it."""
    return base64.b64encode(encoded(key.public)).decode()


def issuer_of(stated: str, pinned: Pinned) -> Issuer:
    """The issuer whose key a statement names that the pinned identity signed; raises Damaged where it names none."""
    try:
        public = load_der_public_key(base64.b64decode(stated, validate=True))
    except ValueError:
        public = None
    if not fit(public):
        raise Damaged("what the identity signed names no key")
    return Issuer(public, pinned.identity)


def _credential() -> IdentityToken:
    """The token of the identity for which the environment vouches."""
    from sigstore.oidc import IdentityError, IdentityToken, detect_credential  # noqa: PLC0415

    try:
        token = detect_credential()
        if token is not None:
            return IdentityToken(token)
    except IdentityError as error:
        raise NoIdentity(f"the environment should vouch for an identity, and does not: {error}") from None
    raise NoIdentity(
        f"the environment vouches for no identity: --keyless works in {_PLACES}; elsewhere sign with --key"
    )


def _config(path: Path) -> ClientTrustConfig:
    from sigstore.models import ClientTrustConfig as Config  # noqa: PLC0415

    return _read(path, Config.from_json, "a Sigstore client trust configuration (JSON)")  # type: ignore[no-any-return]


def _roots(path: Path | None) -> TrustedRoot:
    from sigstore.models import ClientTrustConfig as Config  # noqa: PLC0415
    from sigstore.models import TrustedRoot as Root  # noqa: PLC0415

    if path is None:
        try:
            with _quiet():
                return Config.production(offline=True).trusted_root
        except Exception as error:  # It keeps them in a folder of the user's, with which anything may be wrong.
            said = f"the roots of the public instance cannot be read: {error}"
            raise InputError([Mistake("--trusted-root", 0, 0, said, expected="a file with the roots")]) from None
    return _read(path, lambda _: Root.from_file(str(path)), "a Sigstore trusted root (JSON)")  # type: ignore[no-any-return]


def _read(path: Path, read: Callable[[str], Any], expected: str) -> Any:
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from None
    except Exception:  # Of what is no such file the library says in many ways that it is none.
        raise InputError([Mistake(str(path), 0, 0, "is none that can be read", expected=expected)]) from None


def _library() -> ModuleType:
    try:
        import sigstore  # noqa: PLC0415  (an extra, and slow to import)
    except ImportError as error:
        raise NoIdentity(f"{error.name} is not installed; pip install 'upheld[keyless]' brings it") from None
    return sigstore


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's log, which repeats what its exceptions say, off the terminal."""
    log = logging.getLogger("sigstore")
    before, log.propagate = log.propagate, False
    silent = logging.NullHandler()
    log.addHandler(silent)
    try:
        yield
    finally:
        log.removeHandler(silent)
        log.propagate = before
