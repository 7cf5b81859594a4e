"""The clock of the machine that Assist runs on: its time zone is what an expression that names none stands in."""

from __future__ import annotations

from datetime import datetime

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model.frequency import zone


def local_zone() -> str:
    """The time zone that this machine is set to, by name; UTC when it is set to none.

    Raises InvalidParameter when its clocks do not go as that zone says: TZ then holds a rule and no name.
    """
    import tzlocal

    name = tzlocal.get_localzone_name() or "UTC"
    now = datetime.now().astimezone()
    if now.utcoffset() != now.astimezone(zone.zone_of(name).rules).utcoffset():
        raise InvalidParameter(
            f"cannot tell the name of this machine's time zone: it is not {name}",
            code=codes.INVALID_FREQUENCY,
            hint="name one: --timezone, or TZ=Europe/Berlin in the environment",
        )
    return name
