"""Overwrite free memory, which may hold secrets (POSIX; nothing is done without /proc).

Python and the C library keep freed memory for later use, with its old content. So we allocate all of it and write
zeros: sizes from the largest to the smallest, each until a block lies in new memory.
"""

import bisect
import ctypes
import gc
import itertools
import sys

_HEADER = 33  # bytes of a bytes object besides its content
_SMALL = range(512, _HEADER, -8)  # bytes: up to this size Python has its own blocks, each for one size
_LARGE = (range(65536, 4104, -12288), range(4104, 0, -16))  # bytes; with 8 bytes for the size, each is a whole block
_MOST = 100000  # limit of blocks of one size, for systems that only reuse memory
_EDGE = 8192  # bytes at both ends of a free block that malloc_trim leaves as they are
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
        libc = ctypes.CDLL(None)
        _wipe_stack(libc)
        _wipe_large(libc, regions, _EDGE if _trim() else _LARGE[0][0])
        try:
            _wipe_small(regions)
        except MemoryError:
            pass  # out of memory, so nothing is free
        _trim()


def _wipe_stack(libc):
    """Overwrite the stack below the part in use: a structure passed by value is copied that far."""
    room = type("Room", (ctypes.Structure,), {"_fields_": [("zeros", ctypes.c_char * 65536)]})
    libc.getpid(room())


def _wipe_large(libc, regions, edge):
    """Overwrite the free blocks of the C library, without ``edge`` bytes at both ends.

    Each block holds the address of the one before, because a growing list would itself take and free such blocks. New
    memory is freed as one larger block: otherwise the C library keeps some of it, and its memory grows with each call.
    """
    libc.malloc.restype = libc.realloc.restype = ctypes.c_void_p
    held = None
    for size in itertools.chain(*_LARGE):
        part = min(size, edge)
        for _ in range(_MOST):
            block = libc.malloc(ctypes.c_size_t(size))
            if not block:
                break
            ctypes.memset(block, 0, part)
            ctypes.memset(block + size - part, 0, part)
            ctypes.c_void_p.from_address(block).value = held
            held = block
            if _is_new(regions, block):
                break
    while held:
        block, held = held, ctypes.c_void_p.from_address(held).value
        if _is_new(regions, block):
            block = libc.realloc(ctypes.c_void_p(block), ctypes.c_size_t(_UNCACHED)) or block
        libc.free(ctypes.c_void_p(block))


def _is_new(regions, address):
    return bisect.bisect_right(regions, address) % 2 == 0


def _wipe_small(regions):
    """Overwrite the free blocks of Python. Make no other objects meanwhile: they would prevent freeing new memory."""
    held, find = [], bisect.bisect_right
    for size in _SMALL:
        while True:
            block = bytes(size - _HEADER)
            held.append(block)
            if find(regions, id(block)) % 2 == 0:
                break


def _trim():
    """Give free memory to the system. Return True if the C library can do that (glibc)."""
    give = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give is not None:
        give(0)
    return give is not None


def _unmap_unchanged():
    """Unmap the pages of files that are as they are on the disk: most of the code, which only the start needed.

    The system maps a page again when it is used. A mapping with a changed page, by a relocation or a debugger, stays.
    """
    release = getattr(ctypes.CDLL(None), "madvise", None)
    if release is None:
        return
    try:
        with open("/proc/self/smaps", "rb") as lines:
            for line in lines:
                words = line.split()
                if b"-" in words[0]:
                    first, end = (int(address, 16) for address in words[0].split(b"-"))
                    is_file = words[1].endswith(b"p") and words[-1].startswith(b"/")
                elif words[:2] == [b"Anonymous:", b"0"] and is_file:
                    release(ctypes.c_void_p(first), ctypes.c_size_t(end - first), _DONTNEED)
    except OSError:
        pass


def _regions():
    """Return the writable memory of this process: all first and end addresses, in one sorted list."""
    try:
        with open("/proc/self/maps", "rb") as lines:
            found = []
            for line in lines:
                words = line.split(None, 2)
                if words[1].startswith(b"rw"):
                    found += [int(address, 16) for address in words[0].split(b"-")]
            return found
    except OSError:
        return []
