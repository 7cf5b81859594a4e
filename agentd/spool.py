"""The journal: one folder for each record, with its state after any crash.

Making the folder is the claim, so a record id runs at most once. Its files::

    request.json    the accepted request (ids, limits, a hash of the content; never content or environment) and the pid
                    and start time of the shim, synced before anything starts; a folder without it never started
    process.json    the script's process: pid, start time, boot id, and the start by the clock
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
import functools
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
            found = _read_json(os.path.join(self._gone, record))
        except (OSError, ValueError):
            return None, None
        if "peer" in found:
            return found["peer"], found["result"]
        return found, None  # by an agent that noted the owner alone

    def claim(self, record, request):
        """Claim ``record`` for this process, its shim, and write ``request`` (a dict) to its journal.

        Afterwards it survives a power cut. Return its Folder, with the wakeup held. Raises Claimed if it was accepted
        before, and OSError, with nothing left behind, if the disk refuses it.
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
            folder.reserve()
            folder.write("request.json", dict(request, shim=_identity(os.getpid())))
            disk.sync_folder(folder.path)
            disk.sync_folder(self.path)
        except BaseException:
            folder.release()
            folder.remove()
            raise
        return folder

    def discard(self, record):
        """Delete a finished record; keep its id, its owner and its result. Return the bytes freed. Raises OSError."""
        folder = self.folder(record)
        result = folder.read("result.json")
        owner = (folder.read("request.json") or {}).get("peer")
        sizes = folder.sizes()
        output = [name for name in sizes if name.startswith("output-")]
        folder.drop(output)  # first: on a full disk the id needs its space
        descriptor = disk.patiently(os.open, os.path.join(self._gone, record), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if owner:
                disk.write_all(descriptor, json.dumps({"peer": owner, "result": result}).encode("ascii"))
        except OSError:
            pass  # the id alone needs less space, and is sufficient
        finally:
            os.close(descriptor)
        folder.remove(sizes.keys() - output)
        return sum(sizes.values())

    def drop_ids(self, days):
        """Drop the ids of records that were deleted more than ``days`` ago."""
        limit = time.time() - days * 86400
        with os.scandir(self._gone) as entries:
            for entry in entries:
                if entry.stat().st_mtime < limit:
                    disk.patiently(os.unlink, entry.path)


class Folder:
    """One record on disk."""

    def __init__(self, path):
        self.path = path
        self.channel = None  # in its shim: the Channel to the agent that gave the order
        self._wakeup = None

    def name(self, name):
        return self.path + os.sep + name

    def exists(self):
        return os.path.isdir(self.path)

    def remove(self, names=None):
        """Remove the record: these files, all by default, and its folder.

        Files that cannot be removed now are found by a later clean-up.
        """
        self.drop(self.sizes() if names is None else names)
        try:
            disk.patiently(os.rmdir, self.path)
        except OSError:
            pass

    def drop(self, names):
        """Remove files of the record, as far as possible."""
        for name in names:
            try:
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
        """Signal new output to the agent that gave the order or, after its end, to a later one."""
        if not self.channel.announce():
            self._wakeup.send()

    def reserve(self):
        """Reserve the space of the result, for a full disk."""
        descriptor = disk.patiently(os.open, self.name("result.tmp"), os.O_WRONLY | os.O_CREAT, 0o600)
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
        data = json.dumps(result).encode("ascii")
        descriptor = disk.patiently(os.open, self.name("result.tmp"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            disk.write_all(descriptor, data)
            os.ftruncate(descriptor, len(data))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._name_result()

    def complete(self):
        """Return True if there is a result, also one whose shim died, or the machine, before it had its name.

        Raises OSError, also if it cannot be read now.
        """
        if self.has("result.json"):
            return True
        if not self.has("result.tmp"):
            return False
        self._name_result()
        return True

    def _name_result(self):
        disk.patiently(os.replace, self.name("result.tmp"), self.name("result.json"))

    def write(self, name, value, sync=True):
        """Write a small JSON file of the journal and sync it. Raises OSError.

        For a moment it is incomplete, which ``read`` sees: no part of an object or a list is JSON.
        """
        descriptor = disk.patiently(os.open, self.name(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            disk.write_all(descriptor, json.dumps(value).encode("ascii"))
            if sync:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def has(self, name):
        """Return True if there is such a file, and it is complete. Raises OSError if it cannot be read now."""
        try:
            _read_json(self.name(name))
        except (FileNotFoundError, ValueError):
            return False
        return True

    def was_accepted(self):
        """Return True if the request is in the journal, or if that cannot be known: then it must not run again."""
        try:
            return self.has("request.json")
        except OSError:
            return True

    def read(self, name):
        """Return the contents of such a file; None if it is missing, incomplete after a crash, or unreadable."""
        try:
            return _read_json(self.name(name))
        except (OSError, ValueError):
            return None

    def note_script(self, pid, started):
        """Note the main process of the script. On a full disk its environment identifies it too.

        It is not synced: it only matters until the next boot.
        """
        noted = [pid, processes.start_time(pid), system.boot_id(), started]
        try:
            self.write("process.json", noted, sync=False)
        except OSError:
            pass

    def shim(self):
        """Return the pid of the shim of this record if that process still lives, else None."""
        request = self.read("request.json") or {}
        pid, start = request.get("shim") or (None, None)
        lives = pid is not None and request.get("boot") == system.boot_id() and processes.is_running(pid, start)
        return pid if lives else None

    def script(self):
        """Return pid and start time of the script's main process, living or dead; (None, None) after a boot."""
        noted = self.read("process.json")
        return (noted[0], noted[1]) if noted and noted[2] == system.boot_id() else (None, None)

    def started(self):
        """Return the start time of the script in seconds since the epoch; None if unknown."""
        return ((self.read("process.json") or []) + [None] * 4)[3]

    def mark_stopping(self):
        """Note for a later agent that a stop has begun. A full disk must not prevent the stop."""
        try:
            os.close(disk.patiently(os.open, self.name("stopping"), os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            pass

    def state(self):
        """Return one of the five states, from the disk. A record without a result is Running or Stopping."""
        result = self.read("result.json")
        if result is not None:
            return result["state"]
        return protocol.STOPPING if os.path.exists(self.name("stopping")) else protocol.RUNNING

    def sizes(self):
        """Return the files of this record: name → bytes on the disk."""
        try:
            with os.scandir(self.path) as entries:
                return {entry.name: disk.room(entry.stat()) for entry in entries}
        except OSError:
            return {}

    def size(self):
        """Return the bytes of this record on the disk."""
        return sum(self.sizes().values())


def _read_json(path):
    """Return the contents of a JSON file. Raises OSError, and ValueError if it is incomplete."""
    return json.loads(disk.read_whole(path).decode("ascii"))


@functools.lru_cache(maxsize=None)
def _identity(pid):
    """Return pid and start time of a process, this one."""
    return pid, processes.start_time(pid)


def is_record(text):
    """Return True if ``text`` may be a record id, which is also safe as the name of a folder."""
    return isinstance(text, str) and system.RECORD.match(text) is not None
