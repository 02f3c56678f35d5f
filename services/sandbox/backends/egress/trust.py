"""The certificates that programs in a sandbox trust, where the operator has some of his own: as PEM, and for Java."""

import re
import ssl
import warnings
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
PEM_NAME, JAVA_NAME = "ca.pem", "ca.p12"
TRUST_PASSWORD = "changeit"  # noqa: S105 - Java's own default; there is nothing secret in the file
_NAMES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "npm_config_cafile",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
)


@dataclass(frozen=True)
class Trust:
    """Files for a run folder by their names; none where the operator has no certificates."""

    files: tuple[tuple[str, bytes], ...] = ()

    def variables(self, run: str) -> dict[str, str]:
        """For a run folder that is seen inside as `run`. Most programs take the bundle instead of their own."""
        return dict.fromkeys(_NAMES, f"{run}/{PEM_NAME}") if self.files else {}

    def java(self, run: str) -> str:
        """Options of Java."""
        store = f"-Djavax.net.ssl.trustStore={run}/{JAVA_NAME} -Djavax.net.ssl.trustStoreType=PKCS12"
        return f"{store} -Djavax.net.ssl.trustStorePassword={TRUST_PASSWORD}" if self.files else ""


def read_trust(ca_file: str) -> Trust:
    """The operator's file beside what this machine trusts. Raises OSError, ValueError."""
    if not ca_file:
        return Trust()
    own = Path(ca_file).read_bytes()
    if not any(map(_certificate, _PEM.findall(own))):
        raise ValueError(f"SANDBOX_CA_FILE: there is no certificate in {ca_file}")
    machine = ssl.get_default_verify_paths().cafile
    bundle = own + b"\n" + (Path(machine).read_bytes() if machine and Path(machine).is_file() else b"")
    return Trust(((PEM_NAME, bundle), (JAVA_NAME, _truststore(bundle))))


def _certificate(block: bytes) -> x509.Certificate | None:
    """None for one that breaks the rules: old authorities that machines still carry along. Java can do without."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return x509.load_pem_x509_certificate(block)
        except (ValueError, Warning):
            return None


def _truststore(bundle: bytes) -> bytes:
    certificates = dict.fromkeys(found for block in _PEM.findall(bundle) if (found := _certificate(block)) is not None)
    entries = [PKCS12Certificate(found, f"ca{number}".encode()) for number, found in enumerate(certificates)]
    return serialize_java_truststore(entries, BestAvailableEncryption(TRUST_PASSWORD.encode()))
