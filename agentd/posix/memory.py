"""Memory that is free again: what stood in it is overwritten (POSIX; where there is no /proc, nothing is done).

Python and the C library keep what is given back to them for the next who asks, with what stood there. So we ask for all
of it, and write zeros: sizes from the largest to the smallest, each until what we get lies where nothing was before.
"""

import bisect
import ctypes
import gc
import itertools
import sys

_HEADER = 33  # bytes of a bytes object beside its content
_SMALL = range(512, _HEADER, -8)  # bytes: up to here Python has blocks of its own, each for one size
_LARGE = (range(65536, 4104, -12288), range(4104, 0, -16))  # bytes; with 8 for its size each is a whole block
_MOST = 100000  # blocks of one size, where a system gives no others than those of before
_EDGE = 8192  # bytes at both ends of a free block that malloc_trim leaves as they are
_UNCACHED = 2048  # bytes of a block that the C library does not keep for the next who asks


def prepare():
    """Give memory that was needed for the start only to the system."""
    if sys.version_info < (3, 11):
        wipe()  # functions keep the room of their first call, and it is not to be one that had a secret in it
    else:
        _trim()


def wipe():
    """Overwrite what is free of the memory of this process."""
    gc.collect()
    regions = _regions()
    if regions:
        libc = ctypes.CDLL(None)
        _wipe_stack(libc)
        _wipe_large(libc, regions, _EDGE if _trim() else _LARGE[0][0])
        try:
            _wipe_small(regions)
        except MemoryError:
            pass  # this process may have no more, and so has nothing left that is free
        _trim()


def _wipe_stack(libc):
    """The stack below what is in use: to there a structure is copied that is given by value."""
    room = type("Room", (ctypes.Structure,), {"_fields_": [("zeros", ctypes.c_char * 65536)]})
    libc.getpid(room())


def _wipe_large(libc, regions, edge):
    """The blocks of the C library, ``edge`` bytes at both their ends.

    Each holds the address of the one before, because a list that grows would take and free such blocks itself. What
    is new goes back as a larger block, or else the C library keeps some, and its memory grows from call to call.
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
    """The blocks of Python itself. Nothing else is made meanwhile: it would keep what is new from being given back."""
    held, find = [], bisect.bisect_right
    for size in _SMALL:
        while True:
            block = bytes(size - _HEADER)
            held.append(block)
            if find(regions, id(block)) % 2 == 0:
                break


def _trim():
    """Give what is free to the system. Returns whether the C library can do that (glibc)."""
    give = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give is not None:
        give(0)
    return give is not None


def _regions():
    """The memory that this process can write to: the first addresses and the ends, in one sorted list."""
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
