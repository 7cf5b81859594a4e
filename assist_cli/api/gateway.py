"""The way of one call: authenticate, authorise, read parameters, dispatch, answer.

No field of a call is used before its signature is verified. The answer is always one of the API: an expected error with
the original's code, a bug as InternalError with the traceback in the log of the server.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from assist_cli.api import faults, forms, parameters, signatures
from assist_cli.api.actions import ACTIONS, VERSION, Action
from assist_cli.api.call import Call
from assist_cli.api.caller import Caller
from assist_cli.api.faults import Fault
from assist_cli.api.forms import Document, Reply
from assist_cli.api.parameters import ValueKind
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


@dataclass(frozen=True)
class Gateway:
    """Answers each call in the thread that received it. ``region`` is the only region."""

    controllers: Controllers
    region: str
    nonces: Nonces
    background: Background
    rates: Rates

    def answer(self, call: Call) -> Reply:
        """Return the reply to a call; never raise. Without authentication, the reply closes the connection."""
        request_id = str(uuid.uuid4()).upper()
        proven = False
        try:
            claim = signatures.claim(call)
            with self.controllers.one() as controller:
                key = self._prove(controller, claim)
                proven = True
                return self._answer(controller, claim, key, call, request_id)
        except Fault as fault:
            refusal = self.refuse(call, fault, request_id)
        except AssistError as error:
            refusal = self.refuse(call, faults.of(error, {}), request_id)
        except Exception:
            log.exception("request %s failed by a bug", request_id)
            refusal = self.refuse(call, Fault("InternalError"), request_id)
        return replace(refusal, closes=not proven)

    def refuse(self, call: Call, fault: Fault, request_id: str = "") -> Reply:
        """Return the reply to a refused call, in the format that its client reads."""
        request_id = request_id or str(uuid.uuid4()).upper()
        return forms.refusal(_form_of(call), fault, request_id, _host(call))

    def refuse_connection(self, fault: Fault) -> Reply:
        """Return the reply to a message that is not a call, in JSON: the SDKs of both generations read it."""
        return forms.refusal(forms.JSON, fault, str(uuid.uuid4()).upper(), "")

    def _answer(self, controller: Controller, claim: Claim, key: AccessKey, call: Call, request_id: str) -> Reply:
        if not self.rates.admit(key.id):
            raise Fault("Throttling.User", f"(a key has {self.rates.per_second:.0f} calls a second)")
        form = forms.chosen(claim.format, is_modern=claim.is_modern)
        action = _action(claim)
        actor = Actor(f"access key {key.name} ({key.id})", None, f"{call.client} by the API")
        caller = Caller(key, replace(controller, actor=actor), self.background, action.name, call.header("host"))
        accesskeys.note_used(controller, key)
        return forms.answer(form, action.name, self._carry_out(caller, action, call.parameters), request_id)

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

    def _carry_out(self, caller: Caller, action: Action, flat: Mapping[str, str]) -> Document:
        caller.need(action.role)
        given = parameters.read(action.takes, flat)
        if action.takes["RegionId"] is ValueKind.TEXT:
            given.refuse_foreign(self.region)
        try:
            return action.carry_out(caller, given)
        except AssistError as error:
            raise faults.of(error, action.words) from error


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
