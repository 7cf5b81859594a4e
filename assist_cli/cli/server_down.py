"""The warning that the server is not running, with the way to start it."""

from __future__ import annotations

from assist_cli.operations.controller import Controller

NO_SCHEDULE = "no schedule will fire"
NO_ENROLMENT = "no machine can enrol"
NO_DELIVERY = "queued records are not delivered"


def warning(controller: Controller, consequence: str) -> str:
    """Return a warning with this consequence; "" while the server is running."""
    from assist_cli.operations.server import schedules, takeover

    if schedules.is_served(controller):
        return ""
    hint = takeover.start_hint(controller.database)
    return f"The server is not running, so {consequence}. {hint[0].upper()}{hint[1:]}"
