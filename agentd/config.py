"""The folder of one agent, and its settings.

All files of an agent are in one folder, so several agents on one machine have several folders. Its ``agentd.conf`` has
``name = value`` lines; ``#`` starts a comment. Unknown names are errors, so that a misspelt limit is found.
"""

import os
import time

from agentd import disk, platform

permissions = platform.load("permissions")
system = platform.load("system")

DEFAULTS = {
    "script_dir": system.SCRIPT_FOLDER,
    "path": system.SEARCH_PATH,
    "task_limit": 100,
    "spool_limit": 1024 * 1024 * 1024,
    "keep_days": 30,
    "connection_limit": 256,
    "greeting_seconds": 10,
    "memory_limit": 200 * 1024 * 1024,
    "descriptor_limit": system.MOST_FILES,
    "sample_seconds": 15,
    "sustain_seconds": 60,
    "ping_seconds": 60,
    "ping_patience": 30,
    "listen": "",
    "dial": "",
    "dial_proxy": "",
    "dial_seconds": 60,
}

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


class ConfigError(Exception):
    """A setting or the folder of the agent is not usable. The text is one line for people."""


class Config:
    """The folder of an agent, its files, and its settings as attributes (see DEFAULTS; sizes are bytes)."""

    def __init__(self, home):
        self.home = permissions.absolute(home)
        self.spool = os.path.join(self.home, "spool")
        self.pki = os.path.join(self.home, "pki")
        self.socket = os.path.join(self.home, "agentd.sock")
        self.lock = os.path.join(self.home, "agentd.lock")
        self.conf = os.path.join(self.home, "agentd.conf")
        self.guard = os.path.join(self.home, "guard.json")
        self.guard_lock = os.path.join(self.home, "agentd.guard")
        self.epochs = os.path.join(self.home, "epochs.json")
        for name, value in DEFAULTS.items():
            setattr(self, name, value)
        self.script_dir = self.script_dir or os.path.join(self.home, "work", "script")

    def read(self):
        """Make the folder if it is missing, and read the settings. Return self. Raises ConfigError."""
        try:
            permissions.make_private(self.home)
            permissions.make_private(self.spool)
        except OSError as error:
            raise ConfigError("cannot use the folder %s: %s" % (self.home, error.strerror)) from None
        try:
            text = disk.read_whole(self.conf).decode("utf-8-sig")  # an editor may have written a byte order mark
            for number, line in enumerate(text.split("\n"), 1):
                self._set(line.split("#", 1)[0].strip(), number)
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("cannot read %s: %s" % (self.conf, error)) from None
        return self

    def _set(self, line, number):
        if not line:
            return
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or name not in DEFAULTS:
            raise ConfigError("cannot use line %d of %s: '%s' is not a setting" % (number, self.conf, line))
        if isinstance(DEFAULTS[name], int):
            if not value.isdigit():
                raise ConfigError("cannot use line %d of %s: '%s' is not a number" % (number, self.conf, value))
            value = int(value)
        if name == "script_dir":
            if not os.path.isabs(value):
                text = "cannot use line %d of %s: '%s' is not an absolute path"
                raise ConfigError(text % (number, self.conf, value))
            value = permissions.absolute(value)
        setattr(self, name, value)

    def instance_id(self):
        """Return the id of this instance. It is made on the first start. Raises ConfigError."""
        path = os.path.join(self.home, "instance-id")
        try:
            try:
                return disk.read_whole(path).decode("ascii").strip()
            except FileNotFoundError:
                made = new_instance_id()
                disk.write_whole(path, made.encode("ascii") + b"\n")
                return made
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError("cannot use %s: %s" % (path, error)) from None


def new_instance_id():
    """Return ``i-`` and 26 letters and digits: 48 bits of time in milliseconds, 80 random bits."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "i-" + "".join(_DIGITS[number >> shift & 31] for shift in range(125, -1, -5))
