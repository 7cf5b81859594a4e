"""The server's side of an enrolment: a machine shows its token, is inspected, admitted, and gets its agent.

The steps on the machine are those of ``instance install``, in the same programs. They are sent through the circuit that
the machine has opened. A machine may be hostile: each line is limited, checked and timed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assist_cli.agents import broker_folder, enrolment
from assist_cli.agents.answers import SHORT_TEXT, Flag, May, Misfit, Object, OneOf, PrintableText, Text
from assist_cli.deploy import bundle, host_requests, pki
from assist_cli.deploy.broker import admission
from assist_cli.deploy.host_answers import Found, HostAnswers
from assist_cli.deploy.host_requests import DialProxy
from assist_cli.errors import (
    AgentCloned,
    AgentError,
    AssistError,
    ConnectionLost,
    InstallFailed,
    InvalidParameter,
    LocalFailure,
)
from assist_cli.model.enrolment import Enrolled
from assist_cli.model.instance import Instance
from assist_cli.model.names import quoted
from assist_cli.model.secret import Secret
from assist_cli.operations.controller import Controller
from assist_cli.operations.fleet import deployment, dialling, enrolments
from assist_cli.operations.fleet.connection import greet, prepare_broker

MOST_LINES = 10_000  # of one program on a machine
MOST_OUTPUT = 1024 * 1024  # bytes of it
MOST_PROXY = 1024  # characters of a URL
_FAILED = "cannot enrol this machine: the controller failed"

_HELLO = Object(
    token=Text(SHORT_TEXT, least=1),
    hostname=PrintableText(SHORT_TEXT),
    name=May(PrintableText(SHORT_TEXT), ""),
    python=PrintableText(64),
    proxy=May(Text(MOST_PROXY), ""),
    new=May(Flag(), False),
    system=May(OneOf(*host_requests.SYSTEMS), "posix"),
)

log = logging.getLogger(__name__)


class Enroller:
    """The machines that enrol at this server now."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: dict[str, MachineStream] = {}  # by the id of the machine, which may come again after a loss

    async def listen(self) -> None:
        """Accept machines until the connection to the broker is lost. Raises AgentError, FileFailure."""
        controller = self._controller
        home, now = controller.home, controller.now()
        prepare_broker(controller)
        pki.prepare_enroller(home, controller.id, now)
        token = admission.enroller_token(home, broker_folder.settings(home).controller, now)
        await enrolment.listen(home, token, controller.timeouts.agent, self._take)

    async def cancel(self) -> None:
        """Cancel all enrolments in progress. The machines retry."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _take(self, enrolment_id: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = MachineStream(reader, writer)
        stream.task = task = asyncio.get_running_loop().create_task(self._serve(enrolment_id, stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, enrolment_id: str, stream: MachineStream) -> None:
        """Enrol one machine, and answer it in any case."""
        try:
            await stream.send(await self._enrol(enrolment_id, stream))
        except ConnectionLost as error:
            log.warning("enrolment %s: %s: %s", enrolment_id, stream.place, error)
        except LocalFailure as error:  # its text is for this machine
            log.error("enrolment %s: %s: %s", enrolment_id, stream.place, error)
            await stream.refuse(_FAILED, "its log has the reason", retry=True)
        except AssistError as error:
            log.warning("enrolment %s: refused %s: %s", enrolment_id, stream.place, error)
            await stream.refuse(error.message, error.hint)
        except Exception as error:
            from assist_cli import bug_report

            log.error("%s", bug_report.reported(self._controller.home, error, f"enrol {stream.place}"))
            await stream.refuse(_FAILED, "its log has the reason")
        finally:
            stream.close()

    async def _enrol(self, enrolment_id: str, stream: MachineStream) -> Mapping[str, Any]:
        """Return the last answer for a machine. Raises AssistError."""
        controller = self._controller
        try:
            hello = _HELLO.check(await stream.line(controller.timeouts.enrolment.hello))
        except Misfit as misfit:
            raise _invalid(f"its request is invalid: {misfit}") from None
        stream.place, stream.system = hello["hostname"], hello["system"]
        enrolments.check_token(controller.database, enrolment_id, hello["token"], controller)
        proxy = dialling.proxy(Secret(hello["proxy"])) if hello["proxy"] else None
        state = await self._run(stream, "enrol", {"new": hello["new"]})
        machine, replaces = state.pop("machine"), state.pop("replaces")
        if machine in self._busy:
            if not self._busy[machine].is_lost:
                return {"error": "another enrolment of this machine is in progress", "retry": True}
            await self._busy[machine].end()
        self._busy[machine] = stream
        try:
            found = Found(**state)
            rotate = replaces is not None and found.instance == replaces
            found = replace(found, instance=None) if rotate else found
            admitted = await controller.change(
                enrolments.admit, enrolment_id, hello["token"], machine, found, hello["hostname"], hello["name"]
            )
            made = await self._install(stream, enrolment_id, hello["token"], admitted, found.home, proxy, rotate=rotate)
            notes = [*deployment.notes(found), *_name_note(made, hello["name"])]
            return {"done": {"name": made.name, "instance": made.id, "notes": notes}}
        finally:
            if self._busy.get(machine) is stream:
                del self._busy[machine]

    async def _install(
        self,
        stream: MachineStream,
        enrolment_id: str,
        token: str,
        admitted: Enrolled,
        folder: str,
        proxy: DialProxy | None,
        *,
        rotate: bool,
    ) -> Instance:
        """Install the agent of an admitted machine in ``folder``, and register its instance. Raises AssistError."""
        controller = self._controller
        instance, now = admitted.instance, controller.now()
        credentials = pki.agent_credentials(controller.home, controller.id, instance, now, dials=True)
        dial = dialling.settings(controller, instance, proxy)
        await asyncio.to_thread(bundle.build)  # the first time takes long, and the server has more to do
        order = host_requests.install_order(
            instance=instance, credentials=credentials, listen=None, dial=dial, rotate=rotate
        )
        known = enrolments.check_token(controller.database, enrolment_id, token, controller)
        try:
            await self._run(stream, "install", order)
        except ConnectionLost as error:  # the installation goes on there
            log.warning("enrolment %s: %s: %s", enrolment_id, stream.place, error)
        address = f"nats:{instance}"
        try:
            await dialling.wait_for(controller, address)
            greeting = await greet(controller, address)
        except AgentCloned as error:
            raise InstallFailed(
                f"cannot register this machine: {error.message}",
                hint="if this is the copy of another machine, run this file with --new",
                code=error.code,
            ) from error
        except AgentError as error:
            raise InstallFailed(
                f"cannot register this machine: its agent is installed and does not connect to a broker: "
                f"{error.message}",
                hint=f"its log has the reason: journalctl -u assist-agentd, or agentd.log in {folder}; then run this "
                "file again",
                code=error.code,
            ) from error
        made = await controller.change(enrolments.register, known, admitted, greeting)
        log.info("enrolled %s (%s) by %s, host %s", made.name, made.id, enrolment_id, stream.place)
        return made

    async def _run(self, stream: MachineStream, verb: str, order: Mapping[str, Any]) -> dict[str, Any]:
        """Run an action on a machine, and return its result.

        Raises Conflict, InstallFailed, InvalidAnswer, ConnectionLost, InvalidParameter.
        """
        line = host_requests.request_line(stream.system, verb, order, self._controller.timeouts.install)
        await stream.send({"run": verb, "program": host_requests.RECEIVE, "input": line})
        answers = HostAnswers(verb, stream.place, lambda step: None)
        loop = asyncio.get_running_loop()
        end, size = loop.time() + self._controller.timeouts.enrolment.order, 0
        for _ in range(MOST_LINES):
            words_back = await stream.line(end - loop.time())
            if "exit" in words_back:
                return answers.result()
            data = json.dumps(words_back.get("line")).encode()
            size += len(data)
            if size > MOST_OUTPUT:
                break
            answers.add(data)
        raise _invalid("its program prints too much")


def _name_note(made: Instance, wanted: str) -> tuple[str, ...]:
    """Say that a machine that was registered before keeps its name, if its person wanted another one."""
    if wanted in ("", made.name) or made.name.startswith(f"{wanted}-"):
        return ()
    rename = f"assist instance rename {quoted(made.name)} {quoted(wanted)}"
    return (f"it keeps its name; to change it, on the controller: {rename}",)


def _invalid(why: str) -> InvalidParameter:
    return InvalidParameter(
        f"cannot enrol this machine: {why}", hint="run the file as it was made, or ask for a new one"
    )


class MachineStream:
    """Lines of JSON to and from a machine. ``place`` is how it calls itself, for logs; ``task`` serves it.

    ``system`` is its os.name.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.place = "a machine"
        self.system = "posix"
        self.task: asyncio.Task[None] | None = None
        self._reader = reader
        self._writer = writer

    @property
    def is_lost(self) -> bool:
        """True if the machine has ended the connection."""
        return self._reader.at_eof() or self._reader.exception() is not None

    async def end(self) -> None:
        """Cancel the task, and wait until it has ended."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait([self.task])

    async def line(self, seconds: float) -> dict[str, Any]:
        """Return the next line. Raises ConnectionLost, also after ``seconds``, InvalidParameter."""
        try:
            data = await asyncio.wait_for(self._reader.readline(), max(seconds, 0.0))
        except asyncio.TimeoutError:
            raise ConnectionLost("the machine did not answer in time") from None
        except OSError as error:
            raise ConnectionLost(str(error)) from error
        except ValueError:
            raise _invalid("it sent too long a line") from None
        if not data.endswith(b"\n"):
            raise ConnectionLost("the machine closed the connection")
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise _invalid("it sent a line that is not a JSON object")
        return found

    async def send(self, words: Mapping[str, Any]) -> None:
        """Send a line. Raises ConnectionLost."""
        try:
            self._writer.write(json.dumps(words).encode("ascii") + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    async def refuse(self, text: str, hint: str, *, retry: bool = False) -> None:
        """Send the last answer to a machine that is not enrolled; it may be gone."""
        try:
            await self.send({"error": text, "hint": hint, "retry": retry})
        except ConnectionLost as error:
            log.info("%s: %s", self.place, error)

    def close(self) -> None:
        self._writer.close()
