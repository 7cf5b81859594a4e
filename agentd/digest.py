"""SHA-256 without OpenSSL's, whose loading takes an agent half a MiB; as the standard library's ``random`` does it."""

try:
    from _sha2 import sha256  # Python 3.12
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:  # a Python that was built without its own
        from hashlib import sha256

__all__ = ["sha256"]
