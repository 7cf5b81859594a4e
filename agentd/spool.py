"""The journal: one folder for each record, with its state after any crash.

Making the folder is the claim, so a record id runs at most once. Its files::

    request.json    the accepted request (ids, limits, a hash of the content; never content or environment), synced
                    before anything starts; a folder without it never started
    process.json    the script's process: pid, start time, boot id, and the start by the clock
    shim.pid        the shim's process: pid, start time, boot id
    alive           its wakeup: held by the shim while it lives
    output-*        the script's output, see ``output``
    stopping        exists once a stop has begun
    result.tmp      the space of the result on the disk, reserved when the record is accepted
    result.json     the result: that file, renamed when its content is synced

``.enrolment`` has a random id of this journal. Another journal has another id. So a controller does not send records of
this journal to another one, which cannot know the ones that ran. ``.gone`` has a file for each deleted record, with its
owner and its result, so that a late second delivery does not run.
"""

import binascii
import errno
import json
import os
import time

from agentd import disk, platform
from agentd.wire import protocol

permissions = platform.load("permissions")
processes = platform.load("processes")
system = platform.load("system")
wakeup = platform.load("wakeup")

_GONE = ".gone"
_RESULT_ROOM = 4096  # one block of most disks, so a shorter result frees nothing

_NOTES = {}  # the pid of this process → the ``shim.pid`` of its last record


class Claimed(Exception):
    """The record was accepted before."""


class Spool:
    """The records of one agent."""

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
        if not is_record(found):  # a full disk or a crash may have left it empty
            found = binascii.hexlify(os.urandom(16)).decode("ascii")
            disk.write_whole(path, found.encode("ascii"))
        return found

    def folder(self, record):
        return Folder(os.path.join(self.path, record))

    def records(self):
        """Return the ids of all records that have a folder, sorted."""
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if is_record(entry.name) and entry.is_dir())

    def is_gone(self, record):
        return os.path.exists(os.path.join(self._gone, record))

    def gone(self, record):
        """Return the owner and the result of a deleted record, each None if it was not noted."""
        try:
            with open(os.path.join(self._gone, record), encoding="ascii") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return None, None
        if "peer" in found:
            return found["peer"], found["result"]
        return found, None  # by an agent that noted the owner alone

    def claim(self, record, request):
        """Claim ``record`` and write ``request`` (a dict) to its journal. Afterwards it survives a power cut.

        Return its Folder, with the wakeup held. Raises Claimed if it was accepted before, and OSError, with nothing
        left behind, if the disk refuses it.
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
            folder.release()
            folder.remove()
            raise
        return folder

    def discard(self, record):
        """Delete a finished record; keep its id, its owner and its result. Raises OSError."""
        folder = self.folder(record)
        result = folder.read("result.json")
        folder.drop_output()  # first: on a full disk the id needs its space
        owner = (folder.read("request.json") or {}).get("peer")
        descriptor = os.open(os.path.join(self._gone, record), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if owner:
                disk.write_all(descriptor, json.dumps({"peer": owner, "result": result}).encode("ascii"))
        except OSError:
            pass  # the id alone needs less space, and is sufficient
        finally:
            os.close(descriptor)
        folder.remove()

    def drop_ids(self, days):
        """Drop the ids of records that were deleted more than ``days`` ago."""
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
        return self.path + os.sep + name

    def exists(self):
        return os.path.isdir(self.path)

    def remove(self):
        """Remove all files of the record. Files that cannot be removed now are found by a later clean-up."""
        try:
            for name in os.listdir(self.path):
                disk.patiently(os.unlink, self.name(name))
            disk.patiently(os.rmdir, self.path)
        except OSError:
            pass

    def drop_output(self):
        """Free the space of the output."""
        try:
            for name in os.listdir(self.path):
                if name.startswith("output-"):
                    disk.patiently(os.unlink, self.name(name))
        except OSError:
            pass

    def hold(self):
        """Become the shim of this record: hold its wakeup. Raises OSError."""
        self._wakeup = wakeup.Wakeup(self.path)

    def release(self):
        """Stop being its shim, which signals its end to the agent."""
        if self._wakeup is not None:
            self._wakeup.close()
            self._wakeup = None

    def announce_output(self):
        """Signal new output to the agent."""
        if self._wakeup is not None:
            self._wakeup.send()

    def reserve(self):
        """Reserve the space of the result, for a full disk."""
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
        """Write ``result`` (a dict) to the journal and sync it. Raises OSError.

        Its name is not synced: after a power cut ``complete`` finds the result under the name of its reserved space.
        """
        data = json.dumps(result, separators=(",", ":")).encode("ascii")
        descriptor = disk.patiently(os.open, self.name("result.tmp"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            disk.write_all(descriptor, data)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._name_result()

    def complete(self):
        """Return True if there is a result whose shim died, or the machine, before it had its name. Raises OSError."""
        if self.read("result.tmp") is None:
            return False
        self._name_result()
        return True

    def _name_result(self):
        disk.patiently(os.replace, self.name("result.tmp"), self.name("result.json"))

    def write(self, name, value):
        """Write a small JSON file of the journal and sync it. Raises OSError."""
        descriptor = os.open(self.name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            disk.write_all(descriptor, json.dumps(value).encode("ascii"))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, name):
        """Return the contents of such a file; None if it is missing or incomplete after a crash."""
        try:
            with open(self.name(name), "rb", buffering=0) as file:
                return json.loads(file.read().decode("ascii"))
        except (OSError, ValueError):
            return None

    def note_shim(self):
        """Note the process of the shim, so that a stop finds it. Raises OSError.

        All records of a shim share one file, because a new one may take the disk more time than all else here.
        """
        path, pid = self.name("shim.pid"), os.getpid()
        try:
            os.link(_NOTES[pid], path)
        except (KeyError, OSError):  # its first record, or the one before was deleted
            self._note("shim.pid", pid)
        _NOTES[pid] = path

    def note_script(self, pid, started):
        """Note the main process of the script. On a full disk its environment identifies it too."""
        try:
            self._note("process.json", pid, started)
        except OSError:
            pass

    def _note(self, name, pid, *more):
        """Write a file atomically but without sync: it only matters until the next boot."""
        noted = [pid, processes.start_time(pid), system.boot_id()] + list(more)
        disk.write_whole(self.name(name), json.dumps(noted).encode("ascii"), sync=False)

    def shim(self):
        """Return the pid of the shim of this record if that process still lives, else None."""
        pid, start = self._noted("shim.pid")
        return pid if pid is not None and processes.is_running(pid, start) else None

    def script(self):
        """Return pid and start time of the script's main process, living or dead; (None, None) after a boot."""
        return self._noted("process.json")

    def started(self):
        """Return the start time of the script in seconds since the epoch; None if unknown."""
        return ((self.read("process.json") or []) + [None] * 4)[3]

    def _noted(self, name):
        noted = self.read(name)
        return (noted[0], noted[1]) if noted and noted[2] == system.boot_id() else (None, None)

    def mark_stopping(self):
        """Note for a later agent that a stop has begun. A full disk must not prevent the stop."""
        try:
            os.close(os.open(self.name("stopping"), os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            pass

    def state(self):
        """Return one of the five states, from the disk. A record without a result is Running or Stopping."""
        result = self.read("result.json")
        if result is not None:
            return result["state"]
        return protocol.STOPPING if os.path.exists(self.name("stopping")) else protocol.RUNNING

    def size(self):
        """Return the bytes of this record on the disk."""
        try:
            with os.scandir(self.path) as entries:
                return sum(disk.room(entry.stat()) for entry in entries)
        except OSError:
            return 0


def is_record(text):
    """Return True if ``text`` may be a record id, which is also safe as the name of a folder."""
    return isinstance(text, str) and system.RECORD.match(text) is not None
