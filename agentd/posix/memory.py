"""Overwrite free memory, which may hold secrets (POSIX; nothing is done without /proc).

Python and the C library keep freed memory for later use, with its old content. So we allocate all of it and write
zeros: sizes from the largest to the smallest, each until a block lies in new memory.
"""

import bisect
import ctypes
import functools
import gc
import itertools
import sys

_HEADER = 33  # bytes of a bytes object besides its content
_STEP = 16 if sys.version_info >= (3, 7) and sys.maxsize >> 32 else 8
_SMALL = range(512, _HEADER, -_STEP)  # bytes: up to this size Python has its own blocks, each for one size
_AT_ONCE = 16  # blocks of Python between two looks
_CACHED = range(1032, 0, -16)  # bytes: the C library keeps freed blocks of these sizes for requests of the same size
_LARGE = (122880, 65536, 32768, 16384, 8192, 4096, 2048)  # bytes: larger ones, which it splits for any request
_EDGE = 4352  # bytes: at most a page, and a header, at both ends of a free block is kept by malloc_trim, else no page
_MOST = 100000  # limit of blocks of one size, for systems that only reuse memory
_FUNCTIONS = (  # name, result, arguments
    ("malloc", ctypes.c_void_p, ctypes.c_size_t),
    ("realloc", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t),
    ("free", None, ctypes.c_void_p),
    ("malloc_usable_size", ctypes.c_size_t, ctypes.c_void_p),
)
_DONTNEED = 4  # MADV_DONTNEED of Linux
_UNCACHED = 2048  # bytes of a block that the C library does not cache


def prepare():
    """Give memory that only the start needed back to the system."""
    if sys.version_info < (3, 11):
        wipe()  # functions keep the memory of their first call; it must not have had a secret
    else:
        _trim()
    _unmap_unchanged()


def wipe():
    """Overwrite the free memory of this process."""
    gc.collect()
    regions = _regions()
    if regions:
        _libc().getpid(_Room())
        _wipe_large(_libc(), regions, _EDGE if _trim() else _LARGE[0])
        try:
            _wipe_small(regions)
        except MemoryError:
            pass  # out of memory, so nothing is free
        _trim()


class _Room(ctypes.Structure):
    """Passed by value, it is copied to the stack, and overwrites what lies below the part in use."""

    _fields_ = [("zeros", ctypes.c_char * 65536)]


@functools.lru_cache(maxsize=None)
def _libc():
    """Return the C library, with the types of what has pointers."""
    libc = ctypes.CDLL(None)
    for name, result, *arguments in _FUNCTIONS:
        function = getattr(libc, name, None)
        if function is not None:
            function.argtypes, function.restype = arguments, result
    return libc


def _wipe_large(libc, regions, edge):
    """Overwrite the free blocks of the C library, without what is further than ``edge`` bytes from both ends.

    Each block holds the address of the one before, because a growing list would itself take and free such blocks. New
    memory is freed as one larger block: otherwise the C library keeps some of it, and its memory grows with each call.
    """
    malloc, room, clear, follow = libc.malloc, libc.malloc_usable_size, ctypes.memset, ctypes.c_void_p.from_address
    held, find = None, bisect.bisect_right
    for wanted in itertools.chain(_LARGE, _CACHED):
        for _ in range(_MOST):
            block = malloc(wanted)
            if not block:
                break
            size = room(block)
            part = min(size, edge)
            clear(block, 0, part)
            clear(block + size - part, 0, part)
            follow(block).value = held
            held = block
            if find(regions, block) % 2 == 0:
                break
    while held:
        block, held = held, follow(held).value
        if find(regions, block) % 2 == 0:
            block = libc.realloc(block, _UNCACHED) or block
        libc.free(block)


def _wipe_small(regions):
    """Overwrite the free blocks of Python. Make no other objects meanwhile: they would prevent freeing new memory."""
    held = []
    for size in _SMALL:
        while True:
            held.extend(map(bytes, itertools.repeat(size - _HEADER, _AT_ONCE)))
            if bisect.bisect_right(regions, id(held[-1])) % 2 == 0:
                break


def _trim():
    """Give free memory to the system. Return True if the C library can do that (glibc)."""
    give = getattr(_libc(), "malloc_trim", None)
    if give is not None:
        give(0)
    return give is not None


def _unmap_unchanged():
    """Unmap the pages of files that are as they are on the disk: most of the code, which only the start needed.

    The system maps a page again when it is used. Writable mappings stay, since a write must not be lost, and those with
    a page that a relocation or a debugger has changed.
    """
    release = getattr(_libc(), "madvise", None)
    if release is None:
        return
    try:
        with open("/proc/self/smaps", "rb") as lines:
            for line in lines:
                words = line.split()
                if b"-" in words[0]:
                    first, end = (int(address, 16) for address in words[0].split(b"-"))
                    is_code = words[1] in (b"r--p", b"r-xp") and words[-1].startswith(b"/")
                elif words[:2] == [b"Anonymous:", b"0"] and is_code:
                    release(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _DONTNEED)
    except OSError:
        pass


def _regions():
    """Return the writable memory of this process: all first and end addresses, in one sorted list."""
    try:
        with open("/proc/self/maps", "rb", buffering=65536) as lines:
            found = []
            for line in lines:
                words = line.split(None, 2)
                if words[1].startswith(b"rw"):
                    found += [int(address, 16) for address in words[0].split(b"-")]
            return found
    except OSError:
        return []
