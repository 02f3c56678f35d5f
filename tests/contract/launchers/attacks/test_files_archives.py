"""Archives that were made to do harm: each is refused before anything is written."""

import gzip
import io
import tarfile
from collections.abc import Callable

import pytest

from tests.contract.launchers.attacks.conftest import Refused
from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ask, paths, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")
Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, data: bytes = b"x", **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    return file(name, b"", type=kind, linkname=target)


def archive(*entries: Entry, form: int = tarfile.GNU_FORMAT) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=form) as made:
        for info, data in entries:
            made.addfile(info, io.BytesIO(data) if data else None)
    return content.getvalue()


def header(name: str, kind: bytes, size: int) -> bytes:
    """A header that says more than comes."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(**said: str) -> bytes:
    info = tarfile.TarInfo("innocent")
    info.pax_headers = said
    return info.tobuf(tarfile.PAX_FORMAT) + bytes(1024)


FOLDER = file("d", b"", type=tarfile.DIRTYPE)
GOOD = file("good", b"good")
UNSAFE: dict[str, Callable[[], bytes]] = {
    "up": lambda: archive(GOOD, file("../out")),
    "up in the middle": lambda: archive(GOOD, file("a/../../out")),
    "absolute": lambda: archive(GOOD, file("/tmp/outside/out")),
    "up in a long name": lambda: archive(GOOD, file("a/" * 200 + "../" * 300 + "out")),
    "up in a pax header": lambda: pax(path="../out"),
    "NUL in a pax header": lambda: pax(path="a\0b"),
    "absolute link": lambda: archive(GOOD, link("l", "/tmp/outside")),
    "link up": lambda: archive(GOOD, link("l", "../outside")),
    "link up from a folder": lambda: archive(FOLDER, link("d/l", "../../outside")),
    "link through a link": lambda: archive(FOLDER, link("d/up", ".."), link("l", "d/up/..")),
    "link to nothing": lambda: archive(GOOD, link("l", "")),
    "file through a link": lambda: archive(FOLDER, link("l", "d"), file("l/out")),
    "folder and link of one name": lambda: archive(file("d/x"), link("d", "elsewhere")),
    "link and file of one name": lambda: archive(link("l", "good"), file("l", b"through")),
    "hard link out": lambda: archive(GOOD, link("h", "../../tmp/outside/secret", tarfile.LNKTYPE)),
    "absolute hard link": lambda: archive(GOOD, link("h", "/tmp/outside/secret", tarfile.LNKTYPE)),
    "hard link to what is not in it": lambda: archive(GOOD, link("h", "other", tarfile.LNKTYPE)),
    "hard link to a link": lambda: archive(link("l", "good"), link("h", "l", tarfile.LNKTYPE)),
    "pipe": lambda: archive(GOOD, file("p", b"", type=tarfile.FIFOTYPE)),
    "character device": lambda: archive(GOOD, file("z", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5)),
    "block device": lambda: archive(GOOD, file("b", b"", type=tarfile.BLKTYPE, devmajor=8)),
    "sparse": lambda: archive(GOOD, file("s", b"", type=tarfile.GNUTYPE_SPARSE)),
    "unknown kind": lambda: archive(GOOD, file("u", b"", type=b"Z")),
    "no name": lambda: archive(link(".", "good")),
}
BROKEN: dict[str, Callable[[], bytes]] = {
    "noise": lambda: bytes(range(256)) * 8,
    "text": lambda: b"#!/bin/sh\n" * 100,
    "nothing": lambda: b"",
    "cut": lambda: archive(GOOD, file("big", b"x" * 9000))[:6000],
    "cut gzip": lambda: gzip.compress(archive(GOOD, file("big", b"x" * 9000)))[:60],
    "damaged gzip": lambda: b"\x1f\x8b" + bytes(100),
    "a size that does not come": lambda: header("big", tarfile.REGTYPE, 2**30),
    "a size below nothing": lambda: header("big", tarfile.REGTYPE, -5),
    "a name without end": lambda: header("l", tarfile.GNUTYPE_LONGNAME, 2**29),
    "a pax header without end": lambda: header("l", tarfile.XHDTYPE, 2**29),
    "a pax header of nonsense": lambda: header("l", tarfile.XHDTYPE, 512) + b"x" * 512,
    "a wrong sum": lambda: archive(GOOD).replace(b"good", b"evil", 1),
}


def bomb() -> bytes:
    """500 MB of nothing in half a megabyte."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1) as file:
        file.write(header("zeros", tarfile.REGTYPE, 500 * 2**20))
        for _ in range(500):
            file.write(bytes(2**20))
    return packed.getvalue()


LARGE: dict[str, Callable[[], bytes]] = {
    "bomb": bomb,
    "headers without end": lambda: gzip.compress(header("f", tarfile.REGTYPE, 0) * 100_001, 1),
    "more than a gigabyte": lambda: header("f", tarfile.REGTYPE, 2**31),
    "folders without end": lambda: archive(*(file(f"{n}/" + "a/" * 1900 + "f", b"") for n in range(20))),
}
CASES = [
    *((name, make, "ARCHIVE_UNSAFE") for name, make in UNSAFE.items()),
    *((name, make, "ARCHIVE_BROKEN") for name, make in BROKEN.items()),
    *((name, make, "ARCHIVE_TOO_LARGE") for name, make in LARGE.items()),
]


@pytest.mark.parametrize(("name", "make", "reason"), CASES, ids=[case[0] for case in CASES])
async def test_it_is_refused_and_nothing_is_written(
    ground: Bench, refused: Refused, name: str, make: Callable[[], bytes], reason: str
) -> None:
    folder, data = ground.key(), make()
    source = {"archive": data} if len(data) < 2**21 else {"upload": await upload(ground, data)}
    assert await refused(ask(ground, "ImportArchive", path=folder, **source)) == reason
    assert folder not in await paths(ground, depth=1)


async def test_nothing_is_unpacked_over_what_is_there(ground: Bench, refused: Refused) -> None:
    await ground.run("mkdir over; echo mine >over/good; mkdir over/d; ln -s /tmp/outside over/l")
    into = {"path": "over", "archive": archive(file("new"), GOOD)}
    assert await refused(ask(ground, "ImportArchive", **into)) == "FILE_EXISTS"
    for entry in (file("d", b"x"), file("l/secret"), file("good", b"", type=tarfile.DIRTYPE)):
        into = {"path": "over", "archive": archive(file("new"), entry), "overwrite": True}
        assert await refused(ask(ground, "ImportArchive", **into)) == "FILE_EXISTS"
    assert await paths(ground, path="over") == ["over/d", "over/good", "over/l"]
    replaced = archive(GOOD, link("l", "good"))
    await ask(ground, "ImportArchive", path="over", archive=replaced, overwrite=True)
    assert (await ground.run("cat over/good; readlink over/l")).output == b"goodgood\n"


async def test_rights_that_nobody_should_have_are_not_unpacked(ground: Bench) -> None:
    await ask(ground, "ImportArchive", path="rights", archive=archive(file("s", mode=0o6777), file("w", mode=0o666)))
    assert (await ground.run("stat -c %a rights/s rights/w")).output == b"755\n644\n"


async def test_links_and_hard_links_that_stay_inside_are_unpacked(ground: Bench) -> None:
    entries = archive(FOLDER, GOOD, link("d/l", "../good"), link("d/h", "good", tarfile.LNKTYPE))
    await ask(ground, "ImportArchive", path="inside", archive=gzip.compress(entries))
    assert (await ground.run("cat inside/d/l inside/d/h; stat -c %h inside/good")).output == b"goodgood2\n"
