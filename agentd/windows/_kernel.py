"""System calls that Python does not offer (by ctypes): processes, jobs, exclusive files.

Every call raises OSError if the system refuses. A handle is a number; its receiver closes it.
"""

import contextlib
import ctypes
import msvcrt
from ctypes import byref, c_int64, c_size_t, c_uint64, c_void_p, c_wchar_p, sizeof
from ctypes.wintypes import BOOL, DWORD, HANDLE, ULONG

CREATE_SUSPENDED = 0x00000004
CREATE_NEW_PROCESS_GROUP = 0x00000200
CREATE_BREAKAWAY_FROM_JOB = 0x01000000
CREATE_NO_WINDOW = 0x08000000

BREAKAWAY_OK = 0x0800
SILENT_BREAKAWAY_OK = 0x1000
KILL_ON_JOB_CLOSE = 0x2000

ERROR_SHARING_VIOLATION = 32

_PROCESS_LIMITED = 0x1000  # PROCESS_QUERY_LIMITED_INFORMATION
_PROCESS_END = 0x0001  # PROCESS_TERMINATE
_PROCESS_SHARE = 0x0040  # PROCESS_DUP_HANDLE
_SYNCHRONIZE = 0x00100000
_STILL_RUNNING = 258  # WAIT_TIMEOUT
_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_PROCESS_IDS = 3  # JobObjectBasicProcessIdList
_MORE_DATA = 234  # ERROR_MORE_DATA
_TIME_OF_DAY = 3  # SystemTimeOfDayInformation
_READ_WRITE = 0xC0000000  # GENERIC_READ | GENERIC_WRITE
_OPEN_ALWAYS = 4
_NO_HANDLE = c_void_p(-1).value
_O_BINARY = 0x8000
_SAME_ACCESS = 2  # DUPLICATE_SAME_ACCESS
_CTRL_BREAK = 1  # CTRL_BREAK_EVENT
_UTF8 = 65001
_TICKS = 10000000.0  # of 100 ns, in a second

_kernel = ctypes.WinDLL("kernel32", use_last_error=True)
_nt = ctypes.WinDLL("ntdll")
_runtime = ctypes.CDLL("ucrtbase")


def _check(result, function, arguments):
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


def _check_handle(result, function, arguments):
    return _check(result != _NO_HANDLE and result, function, arguments)


def _call(name, result, *arguments, check=_check):
    function = getattr(_kernel, name)
    function.restype, function.argtypes, function.errcheck = result, arguments, check
    return function


def _status(name, *arguments):
    """Return a function of ntdll, which reports errors by a number."""

    def check(result, function, arguments):
        if result != 0:
            raise OSError(None, "%s: status 0x%08X" % (name, result & 0xFFFFFFFF))

    function = getattr(_nt, name)
    function.restype, function.argtypes, function.errcheck = ctypes.c_int32, arguments, check
    return function


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION"""

    _fields_ = [
        ("process_time", c_int64),
        ("job_time", c_int64),
        ("flags", DWORD),
        ("minimum_working_set", c_size_t),
        ("maximum_working_set", c_size_t),
        ("active_processes", DWORD),
        ("affinity", c_size_t),
        ("priority", DWORD),
        ("scheduling", DWORD),
        ("io", c_uint64 * 6),
        ("memory", c_size_t * 4),
    ]


class _Members(ctypes.Structure):
    """JOBOBJECT_BASIC_PROCESS_ID_LIST"""

    _fields_ = [("assigned", DWORD), ("listed", DWORD), ("pids", c_size_t * 1000)]


class _Memory(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS"""

    _fields_ = [("size", DWORD), ("faults", DWORD), ("peak", c_size_t), ("resident", c_size_t), ("rest", c_size_t * 6)]


class _MachineMemory(ctypes.Structure):
    """MEMORYSTATUSEX"""

    _fields_ = [("size", DWORD), ("load", DWORD), ("total", c_uint64), ("rest", c_uint64 * 6)]


class _TimeOfDay(ctypes.Structure):
    """SYSTEM_TIMEOFDAY_INFORMATION"""

    _fields_ = [
        ("boot", c_int64),
        ("now", c_int64),
        ("zone_bias", c_int64),
        ("zone", ULONG),
        ("reserved", ULONG),
        ("boot_bias", c_uint64),
        ("sleep_bias", c_uint64),
    ]


_OpenProcess = _call("OpenProcess", HANDLE, DWORD, BOOL, DWORD)
_CloseHandle = _call("CloseHandle", BOOL, HANDLE)
_WaitForSingleObject = _call("WaitForSingleObject", DWORD, HANDLE, DWORD, check=lambda result, *_: result)
_GetProcessTimes = _call("GetProcessTimes", BOOL, HANDLE, *(ctypes.POINTER(c_int64),) * 4)
_GetProcessMemoryInfo = _call("K32GetProcessMemoryInfo", BOOL, HANDLE, c_void_p, DWORD)
_GetProcessHandleCount = _call("GetProcessHandleCount", BOOL, HANDLE, c_void_p)
_GlobalMemoryStatusEx = _call("GlobalMemoryStatusEx", BOOL, c_void_p)
_GetDiskFreeSpaceEx = _call("GetDiskFreeSpaceExW", BOOL, c_wchar_p, c_void_p, c_void_p, c_void_p)
_TerminateProcess = _call("TerminateProcess", BOOL, HANDLE, DWORD)
_CreateJobObject = _call("CreateJobObjectW", HANDLE, c_void_p, c_wchar_p)
_SetInformationJobObject = _call("SetInformationJobObject", BOOL, HANDLE, ULONG, c_void_p, DWORD)
_QueryInformationJobObject = _call("QueryInformationJobObject", BOOL, HANDLE, ULONG, c_void_p, DWORD, c_void_p)
_AssignProcessToJobObject = _call("AssignProcessToJobObject", BOOL, HANDLE, HANDLE)
_TerminateJobObject = _call("TerminateJobObject", BOOL, HANDLE, DWORD)
_CreateFile = _call("CreateFileW", HANDLE, c_wchar_p, DWORD, DWORD, c_void_p, DWORD, DWORD, HANDLE, check=_check_handle)
_GetCurrentProcess = _call("GetCurrentProcess", HANDLE)
_DuplicateHandle = _call("DuplicateHandle", BOOL, HANDLE, HANDLE, HANDLE, c_void_p, DWORD, BOOL, DWORD)
_GenerateConsoleCtrlEvent = _call("GenerateConsoleCtrlEvent", BOOL, DWORD, DWORD)
_SetConsoleCP = _call("SetConsoleCP", BOOL, DWORD)
_SetConsoleOutputCP = _call("SetConsoleOutputCP", BOOL, DWORD)
_GetUserName = ctypes.WinDLL("advapi32", use_last_error=True).GetUserNameW
_NtResumeProcess = _status("NtResumeProcess", HANDLE)
_NtQuerySystemInformation = _status("NtQuerySystemInformation", ULONG, c_void_p, ULONG, c_void_p)


def close(handle):
    _CloseHandle(handle)


def boot_id():
    """Return the boot time of the machine, by the clock of that time. Later clock changes do not matter."""
    told = _TimeOfDay()
    _NtQuerySystemInformation(_TIME_OF_DAY, byref(told), sizeof(told), None)
    return "%d" % (told.boot - told.boot_bias)


def memory_bytes():
    """Return the memory of the machine in bytes."""
    memory = _MachineMemory()
    memory.size = sizeof(memory)
    _GlobalMemoryStatusEx(byref(memory))
    return memory.total


def free_bytes(folder):
    """Return the bytes on the disk of a folder that this user may use. Raises OSError."""
    free = c_uint64()
    _GetDiskFreeSpaceEx(folder, byref(free), None, None)
    return free.value


def user_name():
    """Return the name of our user."""
    name = ctypes.create_unicode_buffer(257)
    _check(_GetUserName(name, byref(DWORD(len(name)))), None, None)
    return name.value


def keep_bytes():
    """Have files that ``os.open`` opens keep bytes as they are; by default the system changes line ends."""
    _runtime._set_fmode(_O_BINARY)


def speak_utf8():
    """Make UTF-8 the code page of our console, for us and for every program that shares it."""
    try:
        _SetConsoleCP(_UTF8)
        _SetConsoleOutputCP(_UTF8)
    except OSError:
        pass  # no console


def open_alone(path):
    """Open ``path`` exclusively until the descriptor is closed; return None if another process has it open."""
    try:
        handle = _CreateFile(path, _READ_WRITE, 0, None, _OPEN_ALWAYS, 0, None)
    except OSError as error:
        if error.winerror == ERROR_SHARING_VIOLATION:
            return None
        raise
    return msvcrt.open_osfhandle(handle, 0)


# processes


def open_process(pid):
    """Return a handle that can query a process and end it."""
    return _OpenProcess(_PROCESS_LIMITED | _PROCESS_END | _SYNCHRONIZE, False, pid)


@contextlib.contextmanager
def _opened(pid):
    handle = open_process(pid)
    try:
        yield handle
    finally:
        _CloseHandle(handle)


def has_ended(handle, seconds=0):
    """Return True if the process of ``handle`` ends within ``seconds``."""
    return _WaitForSingleObject(handle, int(seconds * 1000)) != _STILL_RUNNING


def start_time(handle):
    """Return the start time of the process of ``handle``, in 100 ns of the system's clock at that time."""
    return _times(handle)[0]


def _times(handle):
    times = [c_int64() for _ in range(4)]
    _GetProcessTimes(handle, *map(byref, times))
    return [time.value for time in times]


def share(pid, handle):
    """Return our own copy of ``handle`` of the process ``pid``."""
    ours = HANDLE()
    process = _OpenProcess(_PROCESS_SHARE, False, pid)
    try:
        _DuplicateHandle(process, handle, _GetCurrentProcess(), byref(ours), 0, False, _SAME_ACCESS)
    finally:
        _CloseHandle(process)
    return ours.value


def end(handle, status):
    """End the process of ``handle``. A process that has ended is not an error."""
    if not has_ended(handle):
        _TerminateProcess(handle, status)


def interrupt(leader):
    """Send CTRL_BREAK to the process group of ``leader``, which must share our console.

    os.kill does the same, but some Pythons raise SystemError if it fails.
    """
    _GenerateConsoleCtrlEvent(_CTRL_BREAK, leader)


def resume(handle):
    """Resume a process that was started suspended."""
    _NtResumeProcess(handle)


def usage(pid):
    """Return resident memory in bytes, CPU time in seconds and open handles of a process."""
    with _opened(pid) as handle:
        memory, count = _Memory(), DWORD()
        _GetProcessMemoryInfo(handle, byref(memory), sizeof(memory))
        _GetProcessHandleCount(handle, byref(count))
        return memory.resident, sum(_times(handle)[2:]) / _TICKS, count.value


# jobs


class ProcessJob:
    """Processes that are ended together: the assigned ones, and all that they start.

    It has no name. The name of a job disappears with the last handle, even if its processes still run, so it could not
    be found by name after the end of its holder. Instead, ``KILL_ON_JOB_CLOSE`` makes the system end all its processes
    when the handle is closed, also if its holder was killed.
    """

    def __init__(self, flags):
        self._handle = _CreateJobObject(None, None)
        self._limit(flags)

    def _limit(self, flags):
        limits = _Limits(flags=flags)
        _SetInformationJobObject(self._handle, _EXTENDED_LIMITS, byref(limits), sizeof(limits))

    def assign(self, process):
        """Put the process of a handle into the job."""
        _AssignProcessToJobObject(self._handle, process)

    def members(self):
        """Return the pids of the processes in the job, at most a thousand."""
        members = _Members()
        try:
            _QueryInformationJobObject(self._handle, _PROCESS_IDS, byref(members), sizeof(members), None)
        except OSError as error:
            if error.winerror != _MORE_DATA:
                raise
        return set(members.pids[: members.listed])

    def end(self, status):
        """End all processes of the job together."""
        _TerminateJobObject(self._handle, status)

    def release(self):
        """Close the handle, and leave the processes of the job running."""
        self._limit(0)
        self.close()

    def close(self):
        _CloseHandle(self._handle)
