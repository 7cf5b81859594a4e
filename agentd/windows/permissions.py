"""The rights on files and folders (Windows): only for their owner, the system and the administrators.

Rights are read and written as SDDL, the system's text form: ``SY`` is the system, ``BA`` the administrators, ``OW`` the
owner of the object, ``CO`` the creator of an object in it.
"""

import contextlib
import ctypes
import errno
import os
import re
from ctypes import byref, c_void_p, c_wchar_p, sizeof
from ctypes.wintypes import BOOL, DWORD, HANDLE

from agentd.disk import patiently

_PRIVATE = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)"
_OF_ADMINISTRATORS = "O:BA" + _PRIVATE
_TRUSTED = {"SY", "BA", "OW", "CO"}
_SDDL = re.compile(r"(?:O:(?P<owner>[^:()]+?))?(?:D:(?P<flags>[A-Z_]*)(?P<entries>(?:\([^)]*\))*))?\Z")

_REVISION = 1
_OWNER_AND_RIGHTS = 1 | 4  # OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION
_OWNER = 1
_FILE = 1  # SE_FILE_OBJECT
_TOKEN_QUERY = 8
_TOKEN_USER = 1


class _Attributes(ctypes.Structure):
    """SECURITY_ATTRIBUTES"""

    _fields_ = [("size", DWORD), ("descriptor", c_void_p), ("inherit", BOOL)]


def strangers(sddl, own):
    """Return the users other than ``own`` that have a right in an SDDL descriptor; its owner counts too.

    Without any list of rights that is everybody, ``WD``.
    """
    parts = _SDDL.match(sddl)
    if parts is None or parts.group("entries") is None or "NO_ACCESS_CONTROL" in parts.group("flags"):
        return {"WD"}
    found = {parts.group("owner")}
    for entry in re.findall(r"\(([^)]*)\)", parts.group("entries")):
        fields = entry.split(";")
        if fields[0] not in ("D", "OD", "XD"):  # not those that deny
            found.add(fields[5])
    return found - _TRUSTED - {own}


def absolute(path):
    """Return ``path`` with its drive; ``..`` is resolved in the text."""
    return os.path.abspath(path)


@contextlib.contextmanager
def parent(path):
    """Yield the ``dir_fd`` of the folder of ``path``, and the name in it: on Windows a folder has no descriptor."""
    yield None, path


def open_file(path, flags):
    """Open a file for writing, made if missing. Return its descriptor. Raises OSError."""
    return patiently(os.open, path, flags | os.O_CREAT, 0o600)


def make_private(folder):
    """Make ``folder``, and those above it, if missing, for its owner alone. Raises OSError.

    An existing one must belong to this user, and nobody else may use it. That of an administrator belongs to the
    administrators: an agent that runs as the system uses it too.
    """
    folder = absolute(folder)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    try:
        _make_folder(folder)
    except FileExistsError:
        check_private(folder)


def is_administrator():
    """Return True if this process has the rights of an administrator."""
    return bool(ctypes.windll.shell32.IsUserAnAdmin())


def _make_folder(path):
    """Make a folder that is private from the start. Raises OSError."""
    kernel, advapi = _libraries()
    descriptor = _parse(advapi, _OF_ADMINISTRATORS if is_administrator() else _PRIVATE)
    try:
        attributes = _Attributes(sizeof(_Attributes), descriptor, False)
        _need(kernel.CreateDirectoryW(c_wchar_p(path), byref(attributes)))
    finally:
        kernel.LocalFree(descriptor)


def check_private(path):
    """Raise PermissionError if another user owns ``path`` or may use it."""
    kernel, advapi = _libraries()
    descriptor = c_void_p()
    status = advapi.GetNamedSecurityInfoW(
        c_wchar_p(path), _FILE, _OWNER_AND_RIGHTS, None, None, None, None, byref(descriptor)
    )
    if status:
        raise ctypes.WinError(status)
    try:
        others = strangers(_text(kernel, advapi, descriptor, _OWNER_AND_RIGHTS), _own_name(kernel, advapi))
    finally:
        kernel.LocalFree(descriptor)
    if others:
        raise PermissionError(errno.EPERM, "belongs to, or can be used by, %s" % ", ".join(sorted(others)), path)


def _libraries():
    """Load the libraries on demand: other systems import this module and test its text functions."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.LocalFree.argtypes = [c_void_p]
    kernel.CloseHandle.argtypes = [HANDLE]
    kernel.GetCurrentProcess.restype = HANDLE
    advapi = ctypes.WinDLL("advapi32", use_last_error=True)
    advapi.OpenProcessToken.argtypes = [HANDLE, DWORD, c_void_p]
    advapi.GetTokenInformation.argtypes = [HANDLE, DWORD, c_void_p, DWORD, c_void_p]
    advapi.ConvertSidToStringSidW.argtypes = [c_void_p, c_void_p]
    advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = [c_wchar_p, DWORD, c_void_p, c_void_p]
    advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW.argtypes = [c_void_p, DWORD, DWORD, c_void_p, c_void_p]
    return kernel, advapi


def _need(result):
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())


def _parse(advapi, sddl):
    descriptor = c_void_p()
    _need(advapi.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, _REVISION, byref(descriptor), None))
    return descriptor


def _text(kernel, advapi, descriptor, parts):
    text = c_wchar_p()
    _need(advapi.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, _REVISION, parts, byref(text), None))
    try:
        return text.value
    finally:
        kernel.LocalFree(text)


def _own_name(kernel, advapi):
    """Return our user in SDDL: a number, or two letters for a well-known user."""
    token, buffer, length, sid = HANDLE(), ctypes.create_string_buffer(256), DWORD(), c_wchar_p()
    _need(advapi.OpenProcessToken(kernel.GetCurrentProcess(), _TOKEN_QUERY, byref(token)))
    try:
        _need(advapi.GetTokenInformation(token, _TOKEN_USER, buffer, len(buffer), byref(length)))
    finally:
        kernel.CloseHandle(token)
    _need(advapi.ConvertSidToStringSidW(c_void_p.from_buffer(buffer), byref(sid)))
    try:
        descriptor = _parse(advapi, "O:" + sid.value)
    finally:
        kernel.LocalFree(sid)
    try:
        return _text(kernel, advapi, descriptor, _OWNER)[2:]
    finally:
        kernel.LocalFree(descriptor)
