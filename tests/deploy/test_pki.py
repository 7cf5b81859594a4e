"""The certificate authority of a home and its certificates."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from assist_cli.deploy import pki
from assist_cli.errors import FileFailure
from assist_cli.paths import Home

NOW = datetime(2026, 11, 22, 8, tzinfo=timezone.utc)
CONTROLLER = "c0ffee"
INSTANCE = "i-01kbdk5g8w3m9v6yx2r4hq7cne"


@pytest.fixture
def rooms(isolation: Path) -> Home:
    return Home(isolation / "assist")


def controller_of(home: Home) -> x509.Certificate:
    return x509.load_pem_x509_certificate((home.pki / "controller.pem").read_bytes())


def word(certificate: x509.Certificate, name: x509.ObjectIdentifier) -> str:
    (found,) = certificate.subject.get_attributes_for_oid(name)
    return str(found.value)


def test_files_created_on_first_use_are_private_and_complete(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    assert stat.S_IMODE(rooms.pki.stat().st_mode) == 0o700
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in rooms.pki.iterdir()}
    assert found == dict.fromkeys(("ca.pem", "ca.key", "controller.pem", "controller.key", "lock"), 0o600)


def test_the_names_and_roles_in_certificates(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    agent = x509.load_pem_x509_certificate(pki.agent_credentials(rooms, CONTROLLER, INSTANCE, NOW).certificate)
    controller = controller_of(rooms)
    for certificate, name, role, usage in (
        (agent, INSTANCE, "agent", ExtendedKeyUsageOID.SERVER_AUTH),
        (controller, CONTROLLER, "controller", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        assert word(certificate, NameOID.COMMON_NAME) == name
        assert word(certificate, NameOID.ORGANIZATIONAL_UNIT_NAME) == role
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
        assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
        assert certificate.not_valid_after_utc == NOW + pki.LIFETIME
        assert certificate.not_valid_before_utc < NOW


def test_the_authority_signs_nothing_that_could_sign(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    authority = x509.load_pem_x509_certificate((rooms.pki / "ca.pem").read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert (constraints.value.ca, constraints.value.path_length) == (True, 0)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)


def test_the_authority_has_signed_them(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    authority = x509.load_pem_x509_certificate((rooms.pki / "ca.pem").read_bytes())
    controller_of(rooms).verify_directly_issued_by(authority)


def test_valid_certificates_are_not_replaced(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    before = {path: path.read_bytes() for path in rooms.pki.iterdir()}
    pki.prepare(rooms, CONTROLLER, NOW + pki.LIFETIME - pki.NEAR_END - timedelta(seconds=1))
    assert {path: path.read_bytes() for path in rooms.pki.iterdir()} == before


def test_the_controller_is_renewed_near_the_end_and_the_authority_is_kept(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    authority, old = (rooms.pki / "ca.pem").read_bytes(), controller_of(rooms)
    later = NOW + pki.LIFETIME - pki.NEAR_END
    pki.prepare(rooms, CONTROLLER, later)
    assert (rooms.pki / "ca.pem").read_bytes() == authority
    new = controller_of(rooms)
    assert new.not_valid_after_utc == later + pki.LIFETIME
    assert new.public_key() != old.public_key()


def test_nothing_outlives_the_authority(rooms: Home) -> None:
    pki.prepare(rooms, CONTROLLER, NOW)
    late = NOW + pki.AUTHORITY_LIFETIME - timedelta(days=5)
    issued = x509.load_pem_x509_certificate(pki.agent_credentials(rooms, CONTROLLER, INSTANCE, late).certificate)
    assert issued.not_valid_after_utc == NOW + pki.AUTHORITY_LIFETIME


def test_the_ends_of_validity_can_be_read(rooms: Home) -> None:
    assert pki.ends(rooms) == {}
    pki.prepare(rooms, CONTROLLER, NOW)
    assert pki.ends(rooms) == {"authority": NOW + pki.AUTHORITY_LIFETIME, "controller": NOW + pki.LIFETIME}


def test_two_homes_and_two_agents_share_no_secret(isolation: Path) -> None:
    seen = set()
    for name in ("a", "b"):
        home = Home(isolation / name)
        pki.prepare(home, CONTROLLER, NOW)
        seen |= {(home.pki / key).read_bytes() for key in ("ca.key", "controller.key")}
        seen |= {pki.agent_credentials(home, CONTROLLER, INSTANCE, NOW).key for _ in range(2)}
    assert len(seen) == 8


def test_no_text_of_a_key_shows_the_key(rooms: Home) -> None:
    credentials = pki.agent_credentials(rooms, CONTROLLER, INSTANCE, NOW)
    assert "PRIVATE" not in repr(credentials)


@pytest.mark.parametrize("damage", ["no key", "another key", "no pem"])
def test_an_authority_that_lost_its_key_is_not_replaced(rooms: Home, isolation: Path, damage: str) -> None:
    """A new authority would lock every agent out; the error names the file to restore."""
    pki.prepare(rooms, CONTROLLER, NOW)
    certificate = (rooms.pki / "ca.pem").read_bytes()
    if damage == "no key":
        (rooms.pki / "ca.key").unlink()
    elif damage == "another key":
        other = Home(isolation / "other")
        pki.prepare(other, CONTROLLER, NOW)
        (rooms.pki / "ca.key").write_bytes((other.pki / "ca.key").read_bytes())
    else:
        (rooms.pki / "ca.key").write_bytes(b"nothing")
    with pytest.raises(FileFailure) as caught:
        pki.agent_credentials(rooms, CONTROLLER, INSTANCE, NOW)
    assert caught.value.hint
    assert (rooms.pki / "ca.pem").read_bytes() == certificate


MAKE = """
import pathlib, sys
from datetime import datetime, timezone
from assist_cli.deploy import pki
from assist_cli.paths import Home
print(pki.agent_credentials(Home(pathlib.Path(sys.argv[1])), "c", "i-1", datetime.now(timezone.utc)).authority.decode())
"""


@pytest.mark.usefixtures("starts_processes")
def test_concurrent_processes_get_one_authority(rooms: Home) -> None:
    words = [sys.executable, "-c", MAKE, str(rooms.root)]
    started = [subprocess.Popen(words, stdout=subprocess.PIPE) for _ in range(4)]
    answers = {process.communicate()[0] for process in started}
    assert len(answers) == 1
    assert b"BEGIN CERTIFICATE" in answers.pop()
