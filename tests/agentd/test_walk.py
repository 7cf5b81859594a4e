"""The walk to a folder: links of other users are not followed, even when swapped; links of root and our own are."""

from __future__ import annotations

import ctypes
import grp
import itertools
import os
import pwd
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="users and modes are those of Unix")]
permissions = pytest.importorskip("agentd.posix.permissions")

OTHER = 1_234_567  # no user has this uid
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of renameat2(2)


@pytest.fixture
def outside(isolation: Path) -> Path:
    """A folder of root, where nothing may arrive."""
    folder = isolation / "outside"
    folder.mkdir()
    return folder


def reached(path: Path | str, **words: object) -> tuple[int, int]:
    """Return the folder that a walk reaches."""
    with permissions.walk(str(path), **words) as place:
        status = os.fstat(place.descriptor)
        return status.st_dev, status.st_ino


def same(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@pytest.mark.parametrize("target", ["{0}/real", "real", "./real/", "a/../real", "second", "{0}/second"])
def test_links_of_our_own_are_followed(isolation: Path, target: str) -> None:
    """Absolute and relative ones, with dots, and chains of them; also below a folder like /tmp."""
    for above in (isolation, Path(tempfile.mkdtemp(dir=isolation))):
        (above / "real" / "below").mkdir(parents=True)
        (above / "a").mkdir()
        (above / "second").symlink_to("real")
        (above / "link").symlink_to(target.format(above))
        assert reached(above / "link" / "below") == same(above / "real" / "below")
        above.chmod(0o700)


def test_links_of_the_system_are_followed() -> None:
    for path in (Path("/var/run"), Path("/bin"), Path("/proc/self/cwd"), Path("/dev/fd")):
        if path.exists():
            assert reached(path) == same(path)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("owner", "mode", "link"),
    [
        (0, 0o1777, 0),  # somebody may have created it under another name, with a hard link
        (0, 0o1777, OTHER),
        (0, 0o777, 0),
        (0, 0o775, 0),
        (0, 0o755, OTHER),
        (OTHER, 0o755, OTHER),
        (OTHER, 0o700, 0),
    ],
)
def test_a_link_that_others_could_have_created_is_not_followed(
    isolation: Path, outside: Path, owner: int, mode: int, link: int
) -> None:
    """At the end of a path, inside it, and dangling; nothing is created behind it."""
    folder = isolation / "folder"
    folder.mkdir()
    for name, target in (("link", outside), ("missing", outside / "missing")):
        (folder / name).symlink_to(target)
        os.chown(folder / name, link, link, follow_symlinks=False)
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    for path in ("link", "link/below", "missing", "missing/below"):
        with pytest.raises(permissions.UntrustedPath):
            reached(folder / path, make=0o755)
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("root")
def test_below_a_folder_of_another_user_no_link_is_followed(isolation: Path, outside: Path) -> None:
    """Not even a link of root in a folder of root, which its owner may move. Dots do not lead out of it either."""
    folder = isolation / "folder"
    (folder / "roots" / "deep").mkdir(parents=True)
    (folder / "roots" / "link").symlink_to(outside)
    os.chown(folder, OTHER, OTHER)
    assert reached(folder / "roots" / "deep") == same(folder / "roots" / "deep")
    for path in ("roots/link", "roots/../roots", ".."):
        with pytest.raises(permissions.UntrustedPath):
            reached(folder / path)


def test_a_path_is_not_shortened_as_text(isolation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check is on the folder that the system finds by this path, also with a link before the dots."""
    (isolation / "far" / "deep").mkdir(parents=True)
    (isolation / "link").symlink_to("far/deep")
    monkeypatch.chdir(isolation)
    for path in ("link/../new", "./link//../new/"):
        assert permissions.absolute(path) == f"{isolation}/link/../new"
    permissions.make_private("link/../new")
    os.close(permissions.open_file("link/../log", os.O_WRONLY))
    with permissions.parent("link/../log") as (folder, name):
        assert os.path.samestat(os.fstat(folder), (isolation / "far").stat())
        assert name == "log"
    assert {path.name for path in Path("far").iterdir()} == {"deep", "log", "new"}
    assert not Path("new").exists()


@pytest.mark.usefixtures("root")
def test_a_folder_of_ours_in_a_shared_one_stays_ours(isolation: Path, outside: Path) -> None:
    """With the sticky bit nobody else may replace it; without the bit its links are not followed."""
    shared = isolation / "shared"
    (shared / "ours").mkdir(parents=True)
    (shared / "ours" / "link").symlink_to(outside)
    shared.chmod(0o1777)
    assert reached(shared / "ours" / "link") == same(outside)
    assert reached(shared / "ours", private=True)
    shared.chmod(0o777)
    with pytest.raises(permissions.UntrustedPath):
        reached(shared / "ours" / "link")
    with pytest.raises(permissions.UntrustedPath):
        reached(shared / "ours", private=True)


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Act with the rights of another user."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


@pytest.mark.usefixtures("root")
def test_a_user_follows_links_of_the_user_and_of_root(public: Path) -> None:
    """A user also passes folders that may be searched and not read; links of a third user are refused."""
    home = public / "home"
    (home / "real").mkdir(parents=True)
    public.chmod(0o711)
    for name, uid in (("mine", OTHER), ("roots", 0), ("theirs", OTHER + 1)):
        (home / name).symlink_to("real")
        os.chown(home / name, uid, uid, follow_symlinks=False)
    os.chown(home, OTHER, OTHER)
    with acting_as(OTHER):
        assert reached(home / "mine") == reached(home / "roots") == reached(home / "real")
        with pytest.raises(permissions.UntrustedPath):
            reached(home / "theirs")


@pytest.mark.usefixtures("root")
def test_the_private_group_of_a_user_is_nobody_else(public: Path) -> None:
    """Many systems create a group for each user; with the usual umask all folders of the user are writable by it."""
    user = pwd.getpwnam("daemon")
    (public / "real").mkdir()
    (public / "link").symlink_to("real")
    os.chown(public, user.pw_uid, user.pw_gid)
    os.chown(public / "link", user.pw_uid, user.pw_gid, follow_symlinks=False)
    public.chmod(0o775)
    with acting_as(user.pw_uid):
        assert reached(public / "link") == same(public / "real")
    os.chown(public, user.pw_uid, grp.getgrnam("bin").gr_gid)
    with acting_as(user.pw_uid), pytest.raises(permissions.UntrustedPath):
        reached(public / "link")


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_folders_are_made_with_their_modes(isolation: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        reached(isolation / "a" / "b", make=0o755)
        permissions.make_private(str(isolation / "c" / "d"))
        permissions.make_private(str(isolation / "c" / "d"))
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((isolation / name).stat().st_mode) for name in ("a", "a/b", "c", "c/d")}
    assert modes == {"a": 0o755, "a/b": 0o755, "c": 0o755, "c/d": 0o700}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("spoilt", ["folder of another", "above of another", "open", "open above", "link of another"])
def test_a_private_folder_belongs_to_nobody_else(isolation: Path, outside: Path, spoilt: str) -> None:
    """It is not created, and no parent of it is, where somebody else could replace it."""
    above = isolation / "above"
    folder = above / "folder"
    above.mkdir()
    if spoilt == "folder of another":
        folder.mkdir()
        os.chown(folder, OTHER, OTHER)
    elif spoilt == "above of another":
        os.chown(above, OTHER, OTHER)
    elif spoilt == "open":
        folder.mkdir()
        folder.chmod(0o770)
    elif spoilt == "open above":
        above.chmod(0o777)
    else:
        above.chmod(0o1777)
        folder.symlink_to(outside)
        os.chown(folder, OTHER, OTHER, follow_symlinks=False)
    found = list(above.iterdir())
    for path in (folder, folder / "below" / "more"):
        if spoilt not in ("folder of another", "open") or path == folder:
            with pytest.raises(permissions.UntrustedPath):
                permissions.make_private(str(path))
    assert list(above.iterdir()) == found
    assert list(outside.iterdir()) == []


@pytest.mark.usefixtures("root")
def test_a_log_is_a_plain_file_of_ours(isolation: Path, outside: Path) -> None:
    """In a folder where others can create files: no link, no hard link, no FIFO, no file of theirs."""
    shared = isolation / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    secret = outside / "secret"
    secret.write_text("root's")
    (shared / "link").symlink_to(secret)
    (shared / "second").hardlink_to(secret)
    (shared / "theirs").touch()
    os.mkfifo(shared / "fifo")
    os.mknod(shared / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    for name in ("link", "theirs"):
        os.chown(shared / name, OTHER, OTHER, follow_symlinks=False)
    for name in ("link", "second", "theirs", "fifo", "device"):
        with pytest.raises(OSError, match=r"another user could have made|Permission denied|No such device"):
            permissions.open_file(str(shared / name), os.O_WRONLY | os.O_APPEND)
    os.close(permissions.open_file(str(shared / "new"), os.O_WRONLY | os.O_APPEND))
    assert stat.S_IMODE((shared / "new").stat().st_mode) == 0o600
    (outside / "link").symlink_to("../shared/new")
    os.close(permissions.open_file(str(outside / "link"), os.O_WRONLY))
    os.close(permissions.open_file("/dev/null", os.O_WRONLY))
    assert secret.read_text() == "root's"


@pytest.mark.usefixtures("root")
def test_a_folder_that_is_swapped_all_the_time_leads_nowhere_else(isolation: Path, outside: Path) -> None:
    """Another user swaps a folder for a link, and back, while folders are walked and created."""
    folder = isolation / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    for path in (folder, folder / "sub", folder / "link"):
        os.chown(path, OTHER, OTHER, follow_symlinks=False)
    libc, over = ctypes.CDLL(None), threading.Event()

    def swap() -> None:
        while not over.is_set():
            libc.renameat2(AT_FDCWD, bytes(folder / "sub"), AT_FDCWD, bytes(folder / "link"), RENAME_EXCHANGE)

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        ends = {"walked": 0, "refused": 0}
        for turn in itertools.count():
            try:
                reached(folder / "sub" / f"new-{turn}", make=0o755)
                ends["walked"] += 1
            except (permissions.UntrustedPath, NotADirectoryError):
                ends["refused"] += 1
            if turn > 5000 or (turn > 300 and all(ends.values())):
                break
    finally:
        over.set()
        swapper.join()
    assert list(outside.iterdir()) == []
    assert all(ends.values()), ends
