"""The time zone of this machine: the default of cron expressions and times."""

from __future__ import annotations

from datetime import datetime

from assist_cli import codes
from assist_cli.errors import InvalidParameter
from assist_cli.model.frequency import zone


def local_zone() -> str:
    """The name of the time zone of this machine; UTC if none is set.

    Raises InvalidParameter if the local clock differs from that zone: TZ then contains a rule, not a name.
    """
    import tzlocal

    name = tzlocal.get_localzone_name() or "UTC"
    now = datetime.now().astimezone()
    if now.utcoffset() != now.astimezone(zone.zone_of(name).rules).utcoffset():
        raise InvalidParameter(
            f"cannot find the name of this machine's time zone: it is not {name}",
            code=codes.INVALID_FREQUENCY,
            hint="name one: --timezone, or TZ=Europe/Berlin in the environment",
        )
    return name
