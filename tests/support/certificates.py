"""Certificates of a throw-away CA, valid and invalid."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A CA that signs certificates into a folder. With a parent it is an intermediate CA."""

    def __init__(self, folder: Path, name: str = "ca", parent: Authority | None = None) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name, None)
        self.own = self._write(name, self._key, self._build(self._key, self._name, parent or self, ca=True))

    def issue(
        self,
        name: str,
        role: str | None = "controller",
        *,
        ca: bool = False,
        days: tuple[int, int] = (-1, 30),
        usage: x509.ObjectIdentifier | None = None,
        file: str | None = None,
        hosts: Sequence[str] = (),
    ) -> Pair:
        """A certificate for ``name`` in ``role``, valid from and to these days from now, for these ``hosts``."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = self._build(key, _subject(name, role), self, ca, days, usage, hosts)
        return self._write(file or name, key, built)

    def equip(self, pki: Path, name: str = "i-agent") -> None:
        """Write the files into ``pki`` that an agent needs to listen with TLS."""
        pki.mkdir(mode=0o700)
        own = self.issue(name, "agent")
        (pki / "ca.pem").write_bytes(self.own.certificate.read_bytes())
        (pki / "agent.pem").write_bytes(own.certificate.read_bytes())
        (pki / "agent.key").write_bytes(own.key.read_bytes())

    def context(self, pair: Pair | None) -> ssl.SSLContext:
        """The TLS context of a caller with this certificate, or with none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.own.certificate)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context

    @staticmethod
    def _build(
        key: ec.EllipticCurvePrivateKey,
        subject: x509.Name,
        issuer: Authority,
        ca: bool = False,
        days: tuple[int, int] = (-1, 30),
        usage: x509.ObjectIdentifier | None = None,
        hosts: Sequence[str] = (),
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer._key.public_key()), critical=False)
        )
        if hosts:
            names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(issuer._key, hashes.SHA256())

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Pair:
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair


def free_port() -> int:
    """A TCP port of 127.0.0.1 without a listener."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def _subject(name: str, role: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if role is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role))
    return x509.Name(parts)
