"""TLS contexts out of the certificates that the settings name; every way in which a file can be
wrong is one Misconfigured.
"""

import ssl
from pathlib import Path

from app.core.errors import Misconfigured


def server_context(certificate: Path, private_key: Path | None, *, key: str) -> ssl.SSLContext:
    """Return the context of a server that shows this certificate. Raises Misconfigured; `key` is
    the setting's.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    load_chain(context, certificate, private_key, key=key)
    return context


def load_chain(
    context: ssl.SSLContext, certificate: Path, private_key: Path | None, *, key: str
) -> None:
    """Let a context show this certificate to whoever connects from now on. Raises Misconfigured,
    and then changes nothing.
    """
    names = f"{certificate}, {private_key}" if private_key else f"{certificate}"
    for path in (certificate, private_key):
        try:
            if path is not None:
                path.read_bytes()
        except OSError as exc:
            raise Misconfigured([f"{key}: {path}: cannot be read: {exc.strerror}"]) from exc
    try:
        # A password, for else OpenSSL asks the terminal for that of an encrypted key.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, private_key, password=""
        )
        context.load_cert_chain(certificate, private_key, password="")
    except (OSError, ValueError) as exc:
        reason = (
            "the key is not that of the certificate" if "KEY_VALUES_MISMATCH" in str(exc) else exc
        )
        raise Misconfigured([f"{key}: {names}: cannot be used as a certificate: {reason}"]) from exc


def trusting(ca_file: Path, *, key: str) -> ssl.SSLContext:
    """Return the context of a client that trusts these certificates alone. Raises Misconfigured;
    `key` is the setting's.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise Misconfigured(
            [f"{key}: {ca_file}: cannot be used as CA certificates: {exc}"]
        ) from exc
