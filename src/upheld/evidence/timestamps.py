"""Timestamps of an authority (RFC 3161), which say that an envelope existed at an instant, whatever its issuer says."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cryptography import x509

from upheld.errors import InputError, Mistake, UpheldError
from upheld.evidence.statements import MissingLibrary

LARGEST = 64 << 10
"""Bytes that an authority's answer may have."""
_SECONDS = 20.0


class NoTimestamp(UpheldError):
    """The authority gave no timestamp, or it is none of these bytes."""


def authorities(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of authorities that a reader trusts, with those between them, in PEM; raises InputError."""
    try:
        found = x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise InputError([Mistake(str(path), 0, 0, f"cannot be read: {error.strerror or error}")]) from None
    except ValueError:
        raise InputError([Mistake(str(path), 0, 0, "holds no certificate", expected="certificates in PEM")]) from None
    return tuple(found)


def ask(url: str, content: bytes) -> bytes:
    """The answer of the authority at `url` to a request for a timestamp of `content`; raises NoTimestamp for a useless one."""
    import httpcore  # noqa: PLC0415

    try:
        from rfc3161_client import PKIStatus, TimestampRequestBuilder, decode_timestamp_response  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    request = TimestampRequestBuilder().data(content).nonce(nonce=True).cert_request(cert_request=True).build()
    limits = dict.fromkeys(("connect", "read", "write", "pool"), _SECONDS)
    headers = [("Content-Type", "application/timestamp-query"), ("Accept", "application/timestamp-reply")]
    try:
        with (
            httpcore.ConnectionPool() as pool,
            pool.stream(
                "POST", url, headers=headers, content=request.as_bytes(), extensions={"timeout": limits}
            ) as response,
        ):
            answer = b""
            for chunk in response.iter_stream():
                answer += chunk
                if len(answer) > LARGEST:
                    raise NoTimestamp(f"the timestamp authority's answer is larger than {LARGEST:,} bytes")
            status = response.status
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        raise NoTimestamp(f"the timestamp authority {url} does not answer: {error or type(error).__name__}") from None
    except (httpcore.UnsupportedProtocol, ValueError) as error:
        raise NoTimestamp(f"{url} is no address of a timestamp authority: {error}") from None
    if status != 200:
        raise NoTimestamp(f"the timestamp authority {url} answers with status {status}")
    try:
        given = decode_timestamp_response(answer)
        granted = PKIStatus(given.status) is PKIStatus.GRANTED
        same = granted and given.tst_info.message_imprint.message == hashlib.sha512(content).digest()
        same = same and given.tst_info.nonce == request.nonce
    except ValueError as error:
        raise NoTimestamp(f"the timestamp authority's answer cannot be read: {error}") from None
    if not same:
        raise NoTimestamp(f"the timestamp authority {url} {'answers for something else' if granted else 'refuses'}")
    return answer


def moment(answer: bytes, content: bytes, trusted: Sequence[x509.Certificate]) -> datetime:
    """When `content` existed, by an authority that one of the `trusted` certificates vouches for; raises NoTimestamp."""
    try:
        from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415
    except ImportError as error:
        raise MissingLibrary(error) from error
    builder = VerifierBuilder()
    for certificate in trusted:
        self_issued = certificate.issuer == certificate.subject
        builder = (
            builder.add_root_certificate(certificate)
            if self_issued
            else builder.add_intermediate_certificate(certificate)
        )
    try:
        given = decode_timestamp_response(answer)
        builder.build().verify_message(given, content)
        return given.tst_info.gen_time
    except (VerificationError, ValueError) as error:
        raise NoTimestamp(f"the timestamp does not verify with the named authority: {error}") from None
