"""The journal: one folder for each record, and what is known of a record after any crash.

Making the folder is the claim, so a record id runs at most once. In it::

    request.json    what was accepted (ids, limits, a hash of the content; never content or environment), on disk
                    before anything starts; a folder without it never started
    process.json    the script's process: pid, start time, boot id, and when it started by the clock
    shim.pid        the shim's: pid, start time, boot id
    alive           its wakeup: held by the shim as long as that lives
    output-*        what the script printed, see ``output``
    stopping        there once a stop has begun
    result.json     how it ended; its room on the disk is reserved when the record is accepted

``.enrolment`` is a random id of this journal. Another journal has another one, so a controller does not send what
was for this one to an agent that cannot know which records ran. ``.gone`` holds an empty file for each record that was
forgotten, so that a late second delivery still does not run.
"""

import binascii
import errno
import json
import os
import re
import time

from agentd import disk, platform
from agentd.wire import protocol

permissions = platform.load("permissions")
processes = platform.load("processes")
system = platform.load("system")
wakeup = platform.load("wakeup")

_GONE = ".gone"
_RESULT_ROOM = 4096  # one block of most disks: nothing is to be given back when the result is shorter
_RECORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")


class Claimed(Exception):
    """The record was accepted before."""


class Spool:
    """All records of one agent."""

    def __init__(self, path):
        self.path = path
        self._gone = os.path.join(path, _GONE)

    def prepare(self):
        """Make the folders. Raises OSError."""
        permissions.make_private(self.path)
        permissions.make_private(self._gone)

    def enrolment(self):
        """Return the id of this journal, made on the first start. Raises OSError."""
        path = os.path.join(self.path, ".enrolment")
        try:
            with open(path, "rb") as file:
                found = file.read(65).strip().decode("ascii", "replace")
        except FileNotFoundError:
            found = ""
        if not _RECORD.match(found):  # a full disk or a crash may have left it empty
            found = binascii.hexlify(os.urandom(16)).decode("ascii")
            disk.write_whole(path, found.encode("ascii"))
        return found

    def folder(self, record):
        return Folder(os.path.join(self.path, record))

    def records(self):
        """The ids of all records that have a folder, sorted."""
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if is_record(entry.name) and entry.is_dir())

    def is_gone(self, record):
        return os.path.exists(os.path.join(self._gone, record))

    def owner_of_gone(self, record):
        """Return whose a record was that is gone; None when that was not noted, as by agents before 0.1."""
        try:
            with open(os.path.join(self._gone, record), encoding="ascii") as file:
                return json.load(file)
        except (OSError, ValueError):
            return None

    def claim(self, record, request):
        """Make ``record`` ours and put ``request`` (a dict) in its journal; afterwards it survives a power cut.

        Returns its Folder, with the wakeup held. Raises Claimed when it was accepted before, and OSError, with nothing
        left behind, when the disk does not take it.
        """
        folder = self.folder(record)
        if self.is_gone(record):
            raise Claimed(record)
        try:
            os.mkdir(folder.path, 0o700)
        except FileExistsError:
            raise Claimed(record) from None
        try:
            folder.hold()
            folder.note_shim()
            folder.reserve()
            folder.write("request.json", request)
            disk.sync_folder(folder.path)
            disk.sync_folder(self.path)
        except BaseException:
            folder.let_go()
            folder.remove()
            raise
        return folder

    def forget(self, record):
        """Remove what is left of a finished record; its id stays known, and whose it was. Raises OSError."""
        folder = self.folder(record)
        folder.drop_output()  # first of all: on a full disk the id needs its room
        owner = (folder.read("request.json") or {}).get("peer")
        descriptor = os.open(os.path.join(self._gone, record), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if owner:
                disk.write_all(descriptor, json.dumps(owner).encode("ascii"))
        except OSError:
            pass  # the id alone needs less room, and says enough
        finally:
            os.close(descriptor)
        folder.remove()

    def forget_for_good(self, days):
        """Drop the ids of records that were forgotten more than ``days`` ago."""
        limit = time.time() - days * 86400
        with os.scandir(self._gone) as entries:
            for entry in entries:
                if entry.stat().st_mtime < limit:
                    os.unlink(entry.path)


class Folder:
    """One record on disk."""

    def __init__(self, path):
        self.path = path
        self._wakeup = None

    def name(self, name):
        return os.path.join(self.path, name)

    def exists(self):
        return os.path.isdir(self.path)

    def remove(self):
        """Take all of it away; what cannot be removed now is found again by a later sweep."""
        try:
            for name in os.listdir(self.path):
                os.unlink(self.name(name))
            os.rmdir(self.path)
        except OSError:
            pass

    def drop_output(self):
        """Free the room that the output takes."""
        try:
            for name in os.listdir(self.path):
                if name.startswith("output-"):
                    os.unlink(self.name(name))
        except OSError:
            pass

    def hold(self):
        """Be the shim of this record: hold its wakeup. Raises OSError."""
        self._wakeup = wakeup.Wakeup(self.path)

    def let_go(self):
        """Be its shim no longer: whoever listens is told."""
        if self._wakeup is not None:
            self._wakeup.close()
            self._wakeup = None

    def announce_output(self):
        """Tell the agent that there is more output."""
        self._announce(wakeup.PROGRESS)

    def _announce(self, byte):
        if self._wakeup is not None:
            self._wakeup.send(byte)

    def reserve(self):
        """Take the room that the result will need, so that a full disk cannot swallow it."""
        descriptor = os.open(self.name("result.tmp"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, _RESULT_ROOM)
            else:
                disk.write_all(descriptor, b" " * _RESULT_ROOM)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise
            disk.write_all(descriptor, b" " * _RESULT_ROOM)
        finally:
            os.close(descriptor)

    def finish(self, result):
        """Put ``result`` (a dict) in the journal, for good, tell the agent, and let go. Raises OSError."""
        data = json.dumps(result, separators=(",", ":")).encode("ascii")
        descriptor = os.open(self.name("result.tmp"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            disk.write_all(descriptor, data)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(self.name("result.tmp"), self.name("result.json"))
        disk.sync_folder(self.path)
        self._announce(wakeup.ENDED)
        self.let_go()

    def write(self, name, value):
        """A small JSON file of the journal, on disk when this returns. Raises OSError."""
        descriptor = os.open(self.name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            disk.write_all(descriptor, json.dumps(value).encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, name):
        """The same back; None when it is not there or was cut off by a crash."""
        try:
            with open(self.name(name), "rb", buffering=0) as file:
                return json.loads(file.read().decode("ascii"))
        except (OSError, ValueError):
            return None

    def note_shim(self):
        """Write down who we are, so that a stop finds us. Raises OSError."""
        self._note("shim.pid", os.getpid())

    def note_script(self, pid, started):
        """Write down the main process of the script; where the disk is full its environment tells it as well."""
        try:
            self._note("process.json", pid, started)
        except OSError:
            pass

    def _note(self, name, pid, *more):
        """Whole, but not forced to the disk: it only matters until the next boot."""
        noted = [pid, processes.start_time(pid), system.boot_id()] + list(more)
        disk.write_whole(self.name(name), json.dumps(noted).encode("ascii"), sync=False)

    def shim(self):
        """The pid of the shim of this record, when that very process still lives, else None."""
        pid, start = self._noted("shim.pid")
        return pid if pid is not None and processes.is_running(pid, start) else None

    def script(self):
        """The pid and the start time of the script's main process, living or dead; (None, None) after a boot."""
        return self._noted("process.json")

    def started(self):
        """When the script started, in seconds since the epoch; None when that is not written down."""
        return ((self.read("process.json") or []) + [None] * 4)[3]

    def _noted(self, name):
        noted = self.read(name)
        return (noted[0], noted[1]) if noted and noted[2] == system.boot_id() else (None, None)

    def mark_stopping(self):
        """Note for a later agent that a stop has begun; a full disk must not keep it from that."""
        try:
            os.close(os.open(self.name("stopping"), os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            pass

    def state(self):
        """One of the five states, read from the disk; a record without a result is Running or Stopping."""
        result = self.read("result.json")
        if result is not None:
            return result["state"]
        return protocol.STOPPING if os.path.exists(self.name("stopping")) else protocol.RUNNING

    def size(self):
        """The bytes this record takes on the disk."""
        try:
            with os.scandir(self.path) as entries:
                return sum(disk.room(entry.stat()) for entry in entries)
        except OSError:
            return 0


def is_record(text):
    """Return whether ``text`` may be a record id: such a text is safe as the name of a folder."""
    return isinstance(text, str) and _RECORD.match(text) is not None
