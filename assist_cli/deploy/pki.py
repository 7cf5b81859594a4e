"""The certificates of the fleet: one authority for each ASSIST_HOME, made on first use.

::

    pki/  0700
      ca.pem  ca.key                  the authority; its key never leaves this machine
      controller.pem  controller.key  the certificate that this controller shows to agents
      enroller.pem  enroller.key      the one that it shows to machines that enrol, if it has enrolments

Keys are ECDSA P-256. The subject of a certificate names its owner and role: the common name is an instance id or the
controller's id; the organizational unit is the role, ``agent``, ``controller``, ``broker``, ``enroller`` or
``enrolment``. By the extended key usage an agent can only be a server, and a controller only a client. An agent that
dials out is also a client: of its broker. A broker is both, in a cluster, and its certificate names its host. For
machines that enrol the controller is a server, the ``enroller``; they are clients, whose certificate names their
enrolment and nothing else. The authority cannot sign other authorities (path length 0).

The controller's certificate is renewed automatically before it expires; an agent's when its instance is upgraded with
``--rotate``. The line ``valid until …`` comes before each certificate, so that its end can be read without a parser.

A home that joined the fleet of another one (``assist broker join``) has a certificate, and no key of the authority.
"""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from assist_cli.agents import broker_folder, revoked
from assist_cli.agents.revoked import BACKDATED, Revocation
from assist_cli.errors import Conflict, FileFailure
from assist_cli.paths import Home, version_of, write_whole
from assist_cli.structs import Struct

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=730)
# Time before its end at which a certificate is renewed, or a warning is given.
NEAR_END = timedelta(days=30)

_VALID_UNTIL = b"valid until "


class Credentials(Struct):
    """The PEM files of one end of a connection: its certificate, its private key, and the authority's certificate.

    The authority's certificate also follows in the ``certificate`` of a client, but not of an agent or a broker.
    """

    certificate: bytes
    key: bytes
    authority: bytes

    def __repr__(self) -> str:
        """Return a text without the key."""
        return f"Credentials({self.certificate!r})"


def agent_credentials(home: Home, controller: str, instance: str, now: datetime, *, dials: bool = False) -> Credentials:
    """Make a key and a certificate for the agent of an instance, by its id; ``dials``: it also connects to a broker.

    It is newer than the certificates that were revoked. Raises FileFailure.
    """
    found = revoked.read(home).get(instance)
    if found is not None:
        now = max(now, datetime.fromtimestamp(found.second + 1, timezone.utc))
    issued = _authority(home, controller, now).issue(instance, "agent", now, is_client=dials)
    _reopen(home, instance)
    return issued


def enrolment_credentials(home: Home, controller: str, enrolment: str, now: datetime, until: datetime) -> Credentials:
    """Make a key and a certificate for the machines of an enrolment, by its id. Raises FileFailure."""
    return _authority(home, controller, now).issue(enrolment, "enrolment", now, until=until)


def revoke(home: Home, instance: str, now: datetime, *, is_closed: bool = True) -> None:
    """Refuse the certificates of an agent that were made until now.

    ``is_closed``: also shut the instance out until it gets a new one. Raises FileFailure.
    """
    second = int(now.timestamp())
    with home.locked(home.pki):
        found = {name: each for name, each in revoked.read(home).items() if each.is_closed or not _is_past(each, now)}
        known = found.get(instance, Revocation(second, is_closed=False))
        changed = Revocation(max(second, known.second), is_closed or known.is_closed)
        revoked.write(home, {**found, instance: changed})


def _is_past(revocation: Revocation, now: datetime) -> bool:
    """Return True if all certificates of a revocation have expired."""
    return now.timestamp() - revocation.second > LIFETIME.total_seconds()


def _reopen(home: Home, instance: str) -> None:
    """Note that an instance that was revoked gets a new certificate."""
    if home.revoked.exists():
        with home.locked(home.pki):
            found = revoked.read(home)
            if instance in found:
                revoked.write(home, {**found, instance: found[instance].replace(is_closed=False)})


def broker_credentials(home: Home, controller: str, host: str, now: datetime) -> Credentials:
    """Make a key and a certificate for a broker at ``host``, a name or a numeric address. Raises FileFailure."""
    return _authority(home, controller, now).issue("broker", "broker", now, is_client=True, host=host)


def controller_credentials(home: Home, controller: str, name: str, now: datetime) -> Credentials:
    """Make a key and a certificate for another controller of this fleet, by its ``name``. Raises FileFailure."""
    return _authority(home, controller, now).issue(name, "controller", now)


def join(home: Home, credentials: Credentials) -> None:
    """Write the credentials that another home has made for this one.

    Raises FileFailure, and Conflict if this home has an authority of its own.
    """
    with home.locked(home.pki):
        if (home.pki / "ca.key").exists():
            raise Conflict(
                f"cannot join another fleet: '{home.root}' has its own authority, '{home.authority}'",
                hint="set ASSIST_HOME to a folder that is empty or absent",
            )
        write_whole(home.key, credentials.key)
        write_whole(home.certificate, credentials.certificate)
        write_whole(home.authority, credentials.authority)


def _authority(home: Home, controller: str, now: datetime) -> _Authority:
    with home.locked(home.pki):
        return _Authority.of(home, controller, now)


def prepare(home: Home, controller: str, now: datetime) -> None:
    """Make sure that this controller has a certificate that is not about to expire. Raises FileFailure.

    Each connection calls it. When there is nothing to do, it reads no file.
    """
    if not _is_current(home.certificate, home.key, now) and not broker_folder.has_joined(home):
        _renew(home, controller, "controller", home.certificate, home.key, now)


def prepare_enroller(home: Home, controller: str, now: datetime) -> None:
    """Make sure that this controller has a certificate for machines that enrol. Raises as ``prepare``."""
    certificate, key = home.pki / "enroller.pem", home.pki / "enroller.key"
    if not _is_current(certificate, key, now):
        _renew(home, controller, "enroller", certificate, key, now)


def _is_current(certificate: Path, key: Path, now: datetime) -> bool:
    until = _stated_end(certificate)
    return until is not None and until - now > NEAR_END and key.exists()


def _renew(home: Home, controller: str, role: str, certificate: Path, key: Path, now: datetime) -> None:
    with home.locked(home.pki):
        issued = _Authority.of(home, controller, now).issue(controller, role, now)
        write_whole(key, issued.key)
        write_whole(certificate, issued.certificate)


_RESTORE = "restore pki/ from a backup; without one, install every agent again, from a new ASSIST_HOME"
_PEM = "give a PEM file with the certificate of the server first"


def names_of(certificate: Path) -> list[str]:
    """Return the host names in the certificate of a PEM file. Raises FileFailure."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except OSError as error:
        raise FileFailure(f"cannot read the certificate '{certificate}': {error.strerror}", hint=_PEM) from error
    except ValueError as error:
        raise FileFailure(
            f"cannot read the certificate '{certificate}': it is not a certificate ({error})", hint=_PEM
        ) from error
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def end_of(path: Path) -> datetime | None:
    """Return the expiry time of one of our certificates; None without the file. Raises FileFailure."""
    return _stated_end(path)


def authority(home: Home) -> bytes:
    """Return the certificate of the authority, in PEM. Raises FileFailure."""
    try:
        return home.authority.read_bytes()
    except OSError as error:
        raise FileFailure(f"cannot read '{error.filename}': {error.strerror}", hint=_RESTORE) from error


def ends(home: Home) -> dict[str, datetime]:
    """Return the expiry times of this controller's certificates that exist, by their names."""
    found = {"authority": _stated_end(home.authority), "controller": _stated_end(home.certificate)}
    return {name: moment for name, moment in found.items() if moment is not None}


def check(home: Home) -> None:
    """Check that the authority of this home, if any, can sign. Raises FileFailure with the reason."""
    if _has_authority(home) and not broker_folder.has_joined(home):
        _Authority.read(home)


def _has_authority(home: Home) -> bool:
    """Return True if there is an authority. Raises FileFailure if its files are missing, but not its certificates."""
    if home.authority.exists():
        return True
    if home.certificate.exists():
        raise FileFailure(f"cannot read '{home.authority}': it is missing", hint=_RESTORE)
    return False


class _Authority:
    """The authority of a home, which signs certificates."""

    def __init__(self, certificate: x509.Certificate, pem: bytes, key: EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._pem = pem
        self._key = key

    @classmethod
    def of(cls, home: Home, controller: str, now: datetime) -> _Authority:
        """Return the existing authority, or make one. Raises FileFailure."""
        if not _has_authority(home):
            key, certificate = _new_authority(controller, now)
            write_whole(home.pki / "ca.key", _key_pem(key))
            write_whole(home.authority, _certificate_pem(certificate))  # last: it marks the authority as complete
        return cls.read(home)

    @classmethod
    def read(cls, home: Home) -> _Authority:
        """Return the existing authority. Raises FileFailure, and Conflict in a home that has joined another's fleet."""
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        certificate_path, key_path = home.authority, home.pki / "ca.key"
        if broker_folder.has_joined(home):
            raise Conflict(
                "cannot make a certificate here: this home has joined the fleet of another one",
                hint="install instances from that one, which has the authority",
            )
        try:
            pem = certificate_path.read_bytes()
            key = load_pem_private_key(key_path.read_bytes(), password=None)
            certificate = x509.load_pem_x509_certificate(pem)
        except OSError as error:
            raise FileFailure(f"cannot read '{error.filename}': {error.strerror}", hint=_RESTORE) from error
        except ValueError:
            raise FileFailure(f"cannot use '{certificate_path}' and its key: they are not PEM", hint=_RESTORE) from None
        if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise FileFailure(f"cannot use '{key_path}': it is not the key of '{certificate_path}'", hint=_RESTORE)
        return cls(certificate, pem, key)

    def issue(
        self,
        name: str,
        role: str,
        now: datetime,
        *,
        is_client: bool = False,
        host: str | None = None,
        until: datetime | None = None,
    ) -> Credentials:
        """Make a key, and a certificate that gives ``name`` this ``role``, at ``host`` if one is given.

        A controller and an enrolment are clients. The others are servers, and also clients if ``is_client``. It is
        valid for LIFETIME, or up to ``until``.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        usages = [] if role in ("controller", "enrolment") else [ExtendedKeyUsageOID.SERVER_AUTH]
        if is_client or not usages:
            usages.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        key = ec.generate_private_key(ec.SECP256R1())
        until = min(until or now + LIFETIME, self._certificate.not_valid_after_utc)
        builder = _builder(name, role, key, now, until)
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host_name(host)]), critical=False)
        certificate = (
            builder.issuer_name(self._certificate.subject)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        pem = _certificate_pem(certificate)
        if role in ("controller", "enrolment"):  # a client of many: OpenSSL would add it in each handshake, and verify
            pem += self._pem
        return Credentials(pem, _key_pem(key), self._pem)


def _new_authority(controller: str, now: datetime) -> tuple[EllipticCurvePrivateKey, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(controller, "authority", key, now, now + AUTHORITY_LIFETIME)
    certificate = (
        builder.issuer_name(_subject(controller, "authority"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def _builder(
    name: str, role: str, key: EllipticCurvePrivateKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    """Return the common parts of all certificates: subject, key, serial number, dates."""
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(_subject(name, role))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _subject(name: str, role: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Assist"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _host_name(host: str) -> x509.GeneralName:
    import ipaddress

    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    head = f"valid until {certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}\n"
    return head.encode("ascii") + certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _stated_end(path: Path) -> datetime | None:
    """Return the expiry time in the line before one of our certificates; None without that line."""
    try:
        version = version_of(path)
        return None if version is None else _read_end(path, version)
    except OSError as error:
        raise FileFailure(f"cannot read '{path}': {error.strerror}") from error


@functools.lru_cache(maxsize=8)
def _read_end(path: Path, version: tuple[int, int, int]) -> datetime | None:
    line = path.read_bytes().partition(b"\n")[0]
    if not line.startswith(_VALID_UNTIL) or not line.endswith(b"Z"):
        return None
    try:
        moment = line.removeprefix(_VALID_UNTIL).removesuffix(b"Z")
        return datetime.fromisoformat(moment.decode("ascii")).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
