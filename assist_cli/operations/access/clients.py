"""What comes with a request of a client of the API: who may, what it is called, and that it is done once.

``Request.enter`` is called inside of the transaction that makes what is asked for. So a key that was disabled a moment
ago makes nothing, and a token stands there exactly when what it made does: a client that got no answer asks again with
the same token, and either it was done, or it is done now.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from assist_cli import codes
from assist_cli.errors import Conflict, NotPermitted
from assist_cli.model.access import AccessKey, Labels
from assist_cli.operations.access.accesskeys import reached
from assist_cli.operations.controller import Controller
from assist_cli.store import accesskeys, instances, invocations
from assist_cli.store import clients as store
from assist_cli.store.database import Reader, Transaction

TOKENS_LAST = timedelta(hours=24)


class Repeated(Exception):
    """The same request with the same token has come before; ``subject`` is the id that it made."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


@dataclass(frozen=True)
class Request:
    """One request that makes something. ``fingerprint`` tells it from another one with the same ``token``.

    One that ``saves`` makes an invocation and the command that it runs.
    """

    key: AccessKey
    labels: Labels
    token: str | None
    fingerprint: bytes
    saves: bool = False

    def enter(
        self,
        controller: Controller,
        transaction: Transaction,
        subject: str,
        instance_ids: Collection[str] = (),
        *,
        labelled: bool = True,
    ) -> None:
        """Write what comes with what is being made, ``subject``, on these instances; the labels when it has none yet.

        Raises NotPermitted when the key may not any more, Repeated and Conflict as ``repeated`` has them.
        """
        if not accesskeys.is_enabled(transaction, self.key.id):
            raise NotPermitted(
                f"cannot use the access key {self.key.id}: it is disabled", code=codes.ACCESS_KEY_DISABLED
            )
        if self.key.scope and not self._reached(transaction).issuperset(instance_ids):
            raise NotPermitted(f"cannot go beyond the scope of the access key {self.key.id}", code=codes.BEYOND_SCOPE)
        self.refuse_repeated(transaction)
        if labelled:
            store.put_labels(transaction, subject, self.labels)
        if self.saves:
            store.put_labels(transaction, invocations.what(transaction, subject).command_id, self.labels)
        if self.token is not None:
            store.forget_tokens(transaction, controller.now() - TOKENS_LAST)
            store.put_token(transaction, self.key.id, self.token, self.fingerprint, subject, controller.now())

    def _reached(self, reader: Reader) -> set[str]:
        return {each.id for each in reached(self.key, instances.registered(reader))}

    def refuse_repeated(self, reader: Reader) -> None:
        """Raise Repeated when this was asked before, Conflict when something else was with the same token."""
        found = store.token(reader, self.key.id, self.token) if self.token is not None else None
        if found is None:
            return
        fingerprint, subject = found
        if fingerprint != self.fingerprint:
            raise Conflict(
                f"cannot use the client token {self.token!r}: another request came with it",
                code=codes.IDEMPOTENT_PARAMETER_MISMATCH,
                hint="a new request needs a new token",
            )
        raise Repeated(subject)


def labels_of(controller: Controller, subjects: Collection[str]) -> dict[str, Labels]:
    """What clients said of these invocations and commands, by id; of others they said nothing."""
    return store.labels_of(controller.database, subjects)
