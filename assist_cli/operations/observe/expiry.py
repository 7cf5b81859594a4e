"""The certificates and tokens of this controller that expire, and how each is renewed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from assist_cli.agents import broker_folder
from assist_cli.deploy import pki
from assist_cli.paths import Home

_RENEW = "assist broker init --renew, and copy the files to each broker"
_OF_BROKER = ("operator", "system", "fleet", "enroll")


@dataclass(frozen=True)
class Expiry:
    """The end of one certificate or token, or of the first of several; ``hint`` is how to renew it."""

    name: str
    end: datetime
    hint: str


def expiries(home: Home) -> Iterator[Expiry]:
    """Return what expires in a home. Raises FileFailure for files that cannot be used."""
    again = "assist broker credentials NAME in the home that made the broker, then here: assist broker join FILE"
    joined = broker_folder.has_joined(home)
    hints = {
        "authority": "install the instances again, from a new ASSIST_HOME",
        "controller": again if joined else "nothing: the next connection to a tls: address renews it",
    }
    pki.check(home)
    for name, end in pki.ends(home).items():
        yield Expiry(f"{name} certificate", end, hints[name])
    if broker_folder.exists(home):
        from assist_cli.deploy.broker import admission  # which few homes need

        ends = admission.ends(home)
        accounts = [end for name, end in ends.items() if name in _OF_BROKER]
        tokens = [end for name, end in ends.items() if name not in _OF_BROKER]
        if accounts:
            yield Expiry("broker accounts", min(accounts), _RENEW)
        if tokens:
            hint = again if joined else "nothing: the next connection to a broker renews it"
            yield Expiry("broker token", min(tokens), hint)
        for address, end in admission.certificate_ends(home).items():
            yield Expiry(f"broker certificate {address}", end, _RENEW)
