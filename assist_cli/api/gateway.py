"""One call, from what came to what goes back: who is it, may he, what does he want, and the answer.

Nothing of a call is believed before its signature is found right. Whatever happens, the answer is one of the API's:
an expected error in the original's code, a bug as InternalError with the traceback in the log of the server.
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
from assist_cli.api.rates import Rates
from assist_cli.api.signatures import Claim
from assist_cli.errors import AssistError
from assist_cli.model.access import AccessKey
from assist_cli.model.audit import Actor
from assist_cli.operations.access import accesskeys
from assist_cli.operations.controller import Controller, Controllers
from assist_cli.operations.server.background import Background
from assist_cli.store.nonces import Nonces

WINDOW = timedelta(minutes=15)  # how far a clock may be off

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gateway:
    """Answers calls, each in the thread that asks. ``region`` is the only one there is."""

    controllers: Controllers
    region: str
    nonces: Nonces
    background: Background
    rates: Rates

    def answer(self, call: Call) -> Reply:
        """What goes back; never an exception. It closes the connection of who has not proven to have a key."""
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
            log.exception("a bug met request %s", request_id)
            refusal = self.refuse(call, Fault("InternalError"), request_id)
        return replace(refusal, closes=not proven)

    def refuse(self, call: Call, fault: Fault, request_id: str = "") -> Reply:
        """What a call that is refused is told, in the form that it would read."""
        request_id = request_id or str(uuid.uuid4()).upper()
        return forms.refusal(_form_of(call), fault, request_id, _host(call))

    def refuse_connection(self, fault: Fault) -> Reply:
        """What is told to who sends what cannot become a call; SDKs of both generations read this form."""
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
        """The key that a call is from, which is enabled. The same call is let in once. Raises Fault."""
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
    """The form in which a call that is refused is told so; whatever is wrong with it."""
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
