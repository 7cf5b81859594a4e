"""The way of one call: authenticate, authorise, read parameters, dispatch, answer.

No field of a call is used before its signature is verified. The answer is always one of the API: an expected error with
the original's code, a bug as InternalError with the traceback in the log of the server.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from assist_cli.api import faults, forms, parameters, signatures
from assist_cli.api.actions import ACTIONS, VERSION, Action
from assist_cli.api.call import Call
from assist_cli.api.caller import Caller, lacks_role
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Reply
from assist_cli.api.parameters import Given, ValueKind
from assist_cli.api.signatures import Claim
from assist_cli.errors import AssistError
from assist_cli.http.rates import Rates
from assist_cli.model.access import AccessKey
from assist_cli.model.audit import Actor
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.server.background import Background
from assist_cli.store.nonces import Nonces

WINDOW = timedelta(minutes=15)  # largest difference between the clocks

log = logging.getLogger(__name__)


class Order(NamedTuple):
    """A call that is authenticated and authorised, and whose parameters are read."""

    call: Call
    request_id: str
    form: str
    key: AccessKey
    action: Action
    given: Given


@dataclass(frozen=True)
class Gateway:
    """Answers calls, in any thread. ``region`` is the only region."""

    controllers: Controllers
    region: str
    nonces: Nonces
    background: Background
    rates: Rates

    def answer(self, call: Call) -> Reply:
        """Return the reply to a call; never raise. It may take long."""
        begun = self.begin(call)
        return begun if isinstance(begun, Reply) else self.finish(begun)

    def begin(self, call: Call) -> Reply | Order:
        """Return the reply to a call, or the order for ``finish`` if that may take long; never raise.

        Without authentication, the reply closes the connection.
        """
        request_id = str(uuid.uuid4()).upper()
        proven = False
        try:
            claim = signatures.claim(call)
            with self.controllers.one() as controller:
                key = self._prove(controller, claim)
                proven = True
                order = self._order(claim, key, call, request_id)
                if accesskeys.is_use_due(controller, key):
                    self.background.note_used(key)
                if order.action.waits:
                    return order
                caller = self._caller(controller, order)
                return _carried_out(caller, order) if order.action.is_quick(caller, order.given) else order
        except Exception as error:
            return self._failed(call, error, request_id)._replace(closes=not proven)

    def finish(self, order: Order) -> Reply:
        """Carry out an order, and return the reply; never raise."""
        try:
            with self.controllers.one() as controller:
                return _carried_out(self._caller(controller, order), order)
        except Exception as error:
            return self._failed(order.call, error, order.request_id)

    def refuse(self, call: Call, fault: Fault, request_id: str = "") -> Reply:
        """Return the reply to a refused call, in the format that its client reads."""
        request_id = request_id or str(uuid.uuid4()).upper()
        return forms.refusal(_form_of(call), fault, request_id, _host(call))

    def refuse_connection(self, fault: Fault) -> Reply:
        """Return the reply to a message that is not a call, in JSON: the SDKs of both generations read it."""
        return forms.refusal(forms.JSON, fault, str(uuid.uuid4()).upper(), "")

    def _failed(self, call: Call, error: Exception, request_id: str) -> Reply:
        """Return the reply to a call that has failed."""
        if isinstance(error, Fault):
            return self.refuse(call, error, request_id)
        if isinstance(error, AssistError):
            return self.refuse(call, faults.of(error, {}), request_id)
        log.error("request %s failed by a bug", request_id, exc_info=error)
        return self.refuse(call, Fault("InternalError"), request_id)

    def _order(self, claim: Claim, key: AccessKey, call: Call, request_id: str) -> Order:
        """Return the order of a call with a valid signature. Raises Fault."""
        if not self.rates.admit(key.id):
            raise Fault("Throttling.User", f"(a key has {self.rates.per_second:.0f} calls a second)")
        form = forms.chosen(claim.format, is_modern=claim.is_modern)
        action = _action(claim)
        if not key.role.may(action.role):
            raise lacks_role(key, action.role, action.name)
        given = parameters.read(action.takes, call.parameters)
        if action.takes["RegionId"] is ValueKind.TEXT:
            given.refuse_foreign(self.region)
        return Order(call, request_id, form, key, action, given)

    def _caller(self, controller: Controller, order: Order) -> Caller:
        key, call = order.key, order.call
        actor = Actor(f"access key {key.name} ({key.id})", None, f"{call.client} by the API")
        return Caller(key, controller.replace(actor=actor), self.background, order.action.name, call.header("host"))

    def _prove(self, controller: Controller, claim: Claim) -> AccessKey:
        """Return the enabled key that has signed a call. A second call with the same nonce is refused. Raises Fault."""
        key = accesskeys.known(controller, claim.key_id)
        if key is None:
            raise Fault("InvalidAccessKeyId.NotFound")
        if not claim.is_signed_with(key.secret.reveal()):
            said = faults.MESSAGES["SignatureDoesNotMatch"][1]
            raise Fault("SignatureDoesNotMatch", message=f"{said} server string to sign is:{claim.text}")
        if not key.enabled:
            raise Fault("InvalidAccessKeyId.Inactive")
        now = controller.now()
        if abs(now - claim.time) > WINDOW:
            raise Fault("InvalidTimeStamp.Expired", f"(the clock of this server shows {now:%Y-%m-%dT%H:%M:%SZ})")
        digest = hashlib.sha256(f"{key.id} {claim.nonce}".encode()).digest()
        if not self.nonces.add(digest, claim.time + WINDOW, now):
            raise Fault("SignatureNonceUsed")
        return key


def _carried_out(caller: Caller, order: Order) -> Reply:
    """Carry out the action of an order. Raises Fault."""
    try:
        document = order.action.carry_out(caller, order.given)
    except AssistError as error:
        raise faults.of(error, order.action.words) from error
    return forms.answer(order.form, order.action.name, document, order.request_id)


def _action(claim: Claim) -> Action:
    if claim.version != VERSION:
        raise Fault("InvalidVersion", f"(it is {VERSION})")
    if claim.action not in ACTIONS:
        raise Fault("InvalidAction.NotFound")
    return ACTIONS[claim.action]


def _form_of(call: Call) -> str:
    """Return the format of a refusal, whatever is wrong with the call."""
    try:
        is_modern = bool(call.header("authorization") or call.header("x-acs-signature-nonce"))
        return forms.chosen(call.parameters.get("Format", ""), is_modern=is_modern)
    except Fault:
        return forms.JSON


def _host(call: Call) -> str:
    try:
        return call.header("host")
    except Fault:
        return ""
