"""``assist notify``: test and deliver notifications."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Annotated

import typer

from assist_cli.cli import documents, options
from assist_cli.cli.output import Format, Style
from assist_cli.errors import ExitStatus
from assist_cli.model.command import CommandType
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Invocation, InvocationInstance, Record
from assist_cli.model.output import Fold, Stream
from assist_cli.model.status import InvocationStatus, InvokeStatus
from assist_cli.operations.controller import Controller, open_controller
from assist_cli.paths import home
from assist_cli.units import escape, took

app = options.application("Notifications of outcomes: test the target of --notify.")


@app.command(
    "test",
    epilog=options.examples(
        "assist notify test https://hooks.example.com/assist", "assist notify test 'mail -s x ops'"
    ),
)
def sample(
    context: typer.Context,
    target: Annotated[
        str | None, typer.Argument(metavar="[URL|CMD]", help="Target, as for --notify (default: the newest one).")
    ] = None,
    output: options.Output = Format.TABLE,
) -> None:
    """Send a sample notification, and print the answer.

    The sample is the document of a run on one instance. Exit status: 1 if it was not accepted.
    """
    from assist_cli.operations.notify import messenger, wishes

    printer = options.printer(context, output)
    with open_controller(home()) as controller:
        where = wishes.target_of(controller, target)
        document = _sample(controller)
        began = time.monotonic()
        answer = messenger.attempt(controller, where, f"{document.id}.test", documents.invocation(document))
        length = time.monotonic() - began
    if printer.is_json:
        printer.document({"Target": str(where), "Ok": answer.ok, "Answer": answer.text, "Seconds": round(length, 3)})
    else:
        word = printer.paint(answer.text, Style.GOOD if answer.ok else Style.BAD)
        printer.line(f"{escape(str(where))}: {word}, in {took(timedelta(seconds=length))}")
    if not answer.ok:
        raise typer.Exit(ExitStatus.FAILED)


@app.command(hidden=True, epilog=options.examples("assist notify deliver", "assist -v notify deliver"))
def deliver() -> None:
    """Deliver the waiting notifications, until each is delivered or has failed.

    Commands that read the history, and assist serve, start this in the background.
    """
    from assist_cli.operations.notify import messenger

    logging.basicConfig(format="%(asctime)s %(message)s")
    with open_controller(home()) as controller:
        messenger.deliver(controller, documents.invocation)


def _sample(controller: Controller) -> Invocation:
    now, now_ms = controller.now(), controller.now_ms()
    output = Fold()
    output.add(Stream.STDOUT, b"This is a sample: nothing was run.\n")
    record = Record(
        id=new_id(Kind.RECORD, now_ms),
        instance_id=new_id(Kind.INSTANCE, now_ms),
        number=1,
        status=InvocationStatus.FINISHED,
        deadline=now,
        exit_code=0,
        started=now,
        finished=now,
        output=output.output(),
    )
    return Invocation(
        id=new_id(Kind.INVOCATION, now_ms),
        command_id=new_id(Kind.COMMAND, now_ms),
        command_type=CommandType.SHELL,
        content=b"echo 'This is a sample: nothing was run.'\n",
        timeout=60,
        status=InvokeStatus.FINISHED,
        created=now,
        finished=now,
        instances=(InvocationInstance(record.instance_id, "sample", record.status, 1, record),),
    )
