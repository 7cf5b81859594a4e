"""Principal, labels and client token of a request that creates something, of the API or of the web console.

``Request.enter`` runs in the transaction of the creation. So a principal that was disabled a moment ago creates
nothing, and a token is stored exactly if its subject is. A client without an answer retries with the same token: the
request takes effect once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from assist_cli import codes
from assist_cli.errors import Conflict
from assist_cli.model.access import Labels, Principal
from assist_cli.operations.access import permissions
from assist_cli.operations.controller import Controller
from assist_cli.store import clients as store
from assist_cli.store import invocations
from assist_cli.store.database import Reader, Transaction

TOKENS_LAST = timedelta(hours=24)


class Repeated(Exception):
    """A retry of a request with the same token; ``subject`` is the id that the first one created."""

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.subject = subject


@dataclass(frozen=True)
class Request:
    """A request that creates something. ``fingerprint`` detects another request with the same ``token``.

    With ``saves``, it creates an invocation and also its command.
    """

    principal: Principal
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
        """Check the request, and write its token and labels for ``subject``, which is being created on these instances.

        Labels are written if ``labelled``. Raises NotPermitted if the principal is disabled or its scope too small, and
        Repeated and Conflict as ``refuse_repeated`` does.
        """
        permissions.confirm(transaction, self.principal, instance_ids)
        self.refuse_repeated(transaction)
        if labelled:
            store.put_labels(transaction, subject, self.labels)
        if self.saves:
            store.put_labels(transaction, invocations.what(transaction, subject).command_id, self.labels)
        if self.token is not None:
            store.forget_tokens(transaction, controller.now() - TOKENS_LAST)
            store.put_token(transaction, self.principal.id, self.token, self.fingerprint, subject, controller.now())

    def refuse_repeated(self, reader: Reader) -> None:
        """Raise Repeated if this is a retry, Conflict if another request had the same token."""
        found = store.token(reader, self.principal.id, self.token) if self.token is not None else None
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
    """The labels that clients set on these invocations and commands, by id. Those without labels are missing."""
    return store.labels_of(controller.database, subjects)
