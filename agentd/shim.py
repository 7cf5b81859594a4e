"""The shim: one process for each task. It owns the task from acceptance to exit and outlives the agent.

It writes the journal, saves the script, has the runner run it, and writes the result.
"""

import os
import signal
import stat
import subprocess

from agentd import digest, disk, output, platform, script, spool
from agentd.result import RecordResult, Refusal

permissions = platform.load("permissions")
processes = platform.load("processes")
runner = platform.load("runner")

_SECRETS = ("content", "environment", "secrets")


def accept(order, journal, channel):
    """Claim the record of ``order`` with ``journal`` and report it. Return its Folder, None if it is refused."""
    try:
        folder = spool.Spool(order["spool"]).claim(order["record"], journal)
    except spool.Claimed:
        channel.say(refused="ExecutionException", info="this record was accepted before")
        return None
    except OSError as error:
        channel.say(refused="ExecutionException", info="the agent cannot keep its journal: %s" % error.strerror)
        return None
    folder.channel = channel
    channel.settle()
    channel.say(accepted=True)
    return folder


def end(folder, result):
    """Write the result and stop being the shim of the record. Return the last message to the agent."""
    document = result.document()
    folder.finish(document)
    folder.release()
    return {"result": document, "room": result.room}


def run(order, channel):
    """Run ``order`` (a dict: the params of task.run and the settings it needs) from acceptance to exit.

    Like all that work on a record, return its result and the bytes of its output on the disk, as the last message to
    the agent. None if the record is refused.
    """
    signals = runner.catch_signals()
    journal = {key: value for key, value in order.items() if key not in _SECRETS}
    journal["content_sha256"] = digest.sha256(order["content"]).hexdigest()
    journal["script"] = script.file_path(order["script_dir"], order["record"], order["type"], order["ending"])
    folder = accept(order, journal, channel)
    if folder is None:
        return None
    os.umask(0o022)  # for the script; our own files get explicit modes
    result = RecordResult(order["secrets"])
    try:
        runner.Runner(folder, order, journal["script"], result, signals).run()
    except Refusal as refusal:
        result.fail(refusal.code, str(refusal))
    except (OSError, subprocess.SubprocessError) as error:
        result.fail("ExecutionException", "cannot start the script: %s" % error)
    if result.script is not None:
        _leave_script(*result.script, keep=order["keep_script"])
    return end(folder, result)


def close_orphan(order, channel):
    """End the rest of a record whose shim has ended without a result, and write that result, unless it is complete.

    ``order``: record, spool, booted (True if the machine was restarted since). Called when an agent finds the record.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is being stopped already
    folder = spool.Spool(order["spool"]).folder(order["record"])
    folder.hold()
    channel.settle()
    channel.say(accepted=True)
    try:
        is_over = folder.complete()
    except OSError:
        is_over = True  # there is a result, which cannot be read now: the agent retries
    if is_over:
        folder.release()
        return None
    journal = folder.read("request.json") or {}
    left = set() if order["booted"] else processes.end_orphans(order["record"], *folder.script())
    if journal.get("script") and not journal.get("keep_script"):
        _remove_file(journal["script"])
    if journal.get("temporary"):
        _remove_file(journal["temporary"])
    result = RecordResult()
    result.produced, result.dropped = output.measure(folder.path)
    if order["booted"]:
        result.fail("InstanceRestarted", "the instance was restarted while it ran")
    else:
        result.fail("ExecutionInterrupted", "the process that tended it vanished; its exit code is not known")
    result.leave(left)
    return end(folder, result)


def _leave_script(folder, name, keep):
    """Remove the script unless it is kept, and close its folder."""
    if not keep:
        _remove(folder, name)
    if folder is not None:
        os.close(folder)


def _remove_file(path):
    """Remove a plain file, if its folder is unchanged. A missing file is not an error."""
    try:
        with permissions.parent(path) as (folder, name):
            _remove(folder, name)
    except OSError:
        pass


def _remove(folder, name):
    """Remove a plain file from an open folder, if it is there."""
    try:
        if stat.S_ISREG(os.lstat(name, dir_fd=folder).st_mode):
            disk.patiently(os.unlink, name, dir_fd=folder)
    except OSError:
        pass
