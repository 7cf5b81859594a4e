"""NATS keys: Ed25519 keys as text, of which the first letter names the kind of the owner.

The text is base32 of a prefix, the 32 bytes of the key, and a CRC-16 of both (low byte first). A public key has one
prefix byte, with the five bits of the kind in front. A seed, which is the private key, has two: ``S`` and the kind.
https://docs.nats.io/reference/reference-protocols/nkey_auth has the form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from enum import Enum

_SEED = 18 << 3  # 'S' in base32
_LENGTH = 32  # bytes of a key


class KeyKind(Enum):
    """The owner of a key; the value is the prefix byte."""

    OPERATOR = 14 << 3  # 'O'
    ACCOUNT = 0  # 'A'
    USER = 20 << 3  # 'U'


class Key:
    """A key pair of the broker. Its text is the public key."""

    def __init__(self, kind: KeyKind, raw: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.kind = kind
        self._raw = raw
        self._private = Ed25519PrivateKey.from_private_bytes(raw)
        public = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _packed(bytes([kind.value]) + public)

    @classmethod
    def new(cls, kind: KeyKind) -> Key:
        return cls(kind, os.urandom(_LENGTH))

    @classmethod
    def from_seed(cls, seed: str) -> Key:
        """Return the key of a seed. Raises ValueError for another text."""
        try:
            data = base64.b32decode(seed + "=" * (-len(seed) % 8))
        except binascii.Error:
            raise ValueError("it is not base32") from None
        if len(data) != 2 + _LENGTH + 2 or data[0] & 0xF8 != _SEED:
            raise ValueError("it is not a seed")
        if _checksum(data[:-2]) != data[-2:]:
            raise ValueError("its checksum is wrong")
        return cls(KeyKind((data[0] & 7) << 5 | data[1] >> 3), data[2:-2])

    @property
    def seed(self) -> str:
        """The private key as text. Whoever has it acts as the owner."""
        prefix = bytes([_SEED | self.kind.value >> 5, (self.kind.value & 31) << 3])
        return _packed(prefix + self._raw)

    def sign(self, data: bytes) -> bytes:
        return self._private.sign(data)

    def user(self, name: str) -> Key:
        """Return the key of a user of this account: always the same one for one name.

        So a user is revoked by its name alone, also when its token was lost.
        """
        return Key(KeyKind.USER, hmac.digest(self._raw, b"user:" + name.encode(), hashlib.sha256))

    def secret(self, name: str) -> str:
        """Return a secret of this account as text: always the same one for one name, so that it is never stored."""
        digest = hmac.digest(self._raw, b"secret:" + name.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).decode("ascii").rstrip("=")

    def __str__(self) -> str:
        return self.public

    def __repr__(self) -> str:
        return f"Key({self.public})"


def _packed(data: bytes) -> str:
    return base64.b32encode(data + _checksum(data)).decode("ascii").rstrip("=")


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
