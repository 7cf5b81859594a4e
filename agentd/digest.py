"""SHA-256 without OpenSSL, whose modules take half a MiB of an agent's memory. ``random`` does the same."""

try:
    from _sha2 import sha256  # Python 3.12
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:  # a Python built without these modules
        from hashlib import sha256

__all__ = ["sha256"]
