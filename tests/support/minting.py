"""Certificates that the project itself never creates: expired ones, wrong roles, invalid chains."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
YEAR = timedelta(days=365)


@dataclass
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def key_pem_without_the_key(self) -> bytes:
        """The certificate with a key of another pair, which OpenSSL accepts: a thief has only the certificate.

        OpenSSL compares the public halves when it loads a key, and the file states the public half beside the private
        one: here the halves are of two keys, so that every signature is wrong.
        """
        other = ec.generate_private_key(ec.SECP256R1())
        form = (Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        stolen = other.private_bytes(*form).replace(_point(other), _point(self.key))
        return _pem(stolen)


def read(folder: Path, name: str) -> Pair:
    """Read the pair ``name.pem`` and ``name.key`` in a folder."""
    key = load_pem_private_key((folder / f"{name}.key").read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return Pair(x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes()), key)


def mint(
    signer: Pair | None,
    name: str,
    role: str,
    usage: x509.ObjectIdentifier | None,
    *,
    begin: timedelta = -YEAR,
    end: timedelta = YEAR,
    authority: bool = False,
) -> Pair:
    """A pair signed by ``signer``, or by itself; ``begin`` and ``end`` are relative to now."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(timezone.utc)
    parts = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Assist"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    ]
    signing_key = signer.key if signer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(parts))
        .issuer_name(signer.certificate.subject if signer else x509.Name(parts))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + begin)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
    return Pair(builder.sign(signing_key, hashes.SHA256()), key)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _pem(der: bytes) -> bytes:
    import base64

    text = base64.encodebytes(der).decode("ascii")
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n".encode("ascii")
