"""Looking at files: what they are, their bytes, pages of the tree, searches, changes as they happen, archives."""

import asyncio
import hashlib
import io
import tarfile
from contextlib import aclosing

import pytest
from lucid.sandbox.v1 import files_pb2 as fpb

from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ask, download, paths, refusal, search

pytestmark = pytest.mark.asyncio(loop_scope="module")
Kind = fpb.FileInfo.Kind
Change = fpb.WatchFilesResponse.Change


async def test_what_is_known_of_a_file(shared: Bench) -> None:
    await shared.run("mkdir st; printf abc >st/f; chmod +x st/f; ln -s f st/l; ln -s nowhere st/dangling; mkfifo st/p")
    file = (await ask(shared, "StatFile", path="st/f", with_etag=True)).file
    assert (file.path, file.kind, file.size, file.executable) == ("st/f", Kind.KIND_FILE, 3, True)
    assert file.etag == hashlib.sha256(b"abc").hexdigest()
    assert file.modify_time.seconds > 1_700_000_000
    link = (await ask(shared, "StatFile", path="st/l")).file
    assert (link.kind, link.link_target, link.etag) == (Kind.KIND_LINK, "f", "")
    assert (await ask(shared, "StatFile", path="st/l", follow=True)).file.version == file.version
    assert (await ask(shared, "StatFile", path="st/dangling")).file.link_target == "nowhere"
    assert await refusal(ask(shared, "StatFile", path="st/dangling", follow=True)) == "FILE_NOT_FOUND"
    assert (await ask(shared, "StatFile", path="st/p")).file.kind == Kind.KIND_OTHER
    assert (await ask(shared, "StatFile")).file.kind == Kind.KIND_FOLDER
    await shared.run("printf abd >st/f")
    assert (await ask(shared, "StatFile", path="st/f")).file.version != file.version


async def test_a_download_is_of_one_version(shared: Bench) -> None:
    await shared.run("head -c 3000000 /dev/urandom >version")
    first, *rest = await ask(shared, "DownloadFile", path="version")
    assert max(len(part.data) for part in rest) == 64 * 1024
    told = (await shared.run("sha256sum version")).output.split()[0].decode()
    assert hashlib.sha256(b"".join(part.data for part in rest)).hexdigest() == told
    assert len(await download(shared, "version", offset=10, if_version=first.file.version)) == 2_999_990
    assert await download(shared, "version", offset=5_000_000) == b""
    await shared.run("echo more >>version")
    late = ask(shared, "DownloadFile", path="version", if_version=first.file.version)
    assert await refusal(late) == "FILE_CHANGED"


async def test_a_reader_that_is_slow_holds_nobody_up(shared: Bench) -> None:
    await shared.run("truncate -s 200M slow")
    request = fpb.DownloadFileRequest(sandbox_id=shared.sandbox_id, path="slow")
    async with aclosing(shared.client.download_file(request)) as parts:
        await anext(parts)
        await anext(parts)
        await shared.run("truncate -s 1M slow")  # waits for no reader
        with pytest.raises(Exception, match="shorter"):
            async for _ in parts:
                pass


async def test_the_tree_in_pages_is_the_tree(shared: Bench) -> None:
    await shared.run(
        "mkdir -p p/{a,b,c}/{x,y} p/.h/i p/node_modules/z p/.git/o; touch p/{a,b,c}/{x,y}/{1,2} p/.env p/b!/"
    )
    await shared.run("mkdir p/b-; touch p/b-/q p/b.txt")
    for hidden in (False, True):
        whole = await paths(shared, path="p", include_hidden=hidden)
        for size in (1, 3, 7):
            assert await paths(shared, path="p", include_hidden=hidden, max_entries=size) == whole
    assert whole[:5] == ["p/.env", "p/.git", "p/.h", "p/.h/i", "p/a"]
    closed = [
        entry.path
        for entry in (await ask(shared, "ListTree", path="p", include_hidden=True)).entries
        if entry.not_entered
    ]
    assert closed == ["p/.git", "p/node_modules"]
    assert await paths(shared, path="p/node_modules") == ["p/node_modules/z"]
    assert await paths(shared, path="p", depth=1, max_entries=2) == ["p/.env", "p/a", "p/b", "p/b-", "p/b.txt", "p/c"]


async def test_searching_contents(shared: Bench) -> None:
    await shared.run("mkdir -p s/sub s/.hid s/node_modules; printf 'One\\ntwo one\\n' >s/a.py; echo one >s/sub/b.txt")
    await shared.run(
        "echo one >s/.hid/c; echo one >s/node_modules/d; printf 'one\\0' >s/bin; ln -s a.py s/link; mkfifo s/pipe"
    )
    found, reason = await search(shared, "one", path="s")
    assert [(match.path, match.line, match.text[match.begin : match.end]) for match in found] == [
        ("s/a.py", 2, "one"),
        ("s/sub/b.txt", 1, "one"),
    ]
    assert reason == "COMPLETE"
    found, _ = await search(shared, "^ONE$", path="s", regex=True, ignore_case=True, include_hidden=True)
    assert [match.path for match in found] == ["s/.hid/c", "s/a.py", "s/sub/b.txt"]
    found, _ = await search(shared, "one", path="s", globs=["*.py"])
    assert [match.path for match in found] == ["s/a.py"]
    found, _ = await search(shared, "one", path="s", globs=["**/*", "!sub"])
    assert [match.path for match in found] == ["s/a.py"]
    found, reason = await search(shared, "one", path="s", max_results=1)
    assert (len(found), reason) == (1, "RESULTS")
    found, _ = await search(shared, "one", path="s/sub/b.txt")
    assert [(match.path, match.line) for match in found] == [("s/sub/b.txt", 1)]
    found, _ = await search(shared, "b", path="s/sub/b.txt", target="TARGET_NAMES", globs=["*.txt"])
    assert [match.path for match in found] == ["s/sub/b.txt"]
    assert await refusal(ask(shared, "SearchFiles", query="one", path="s/none")) == "FILE_NOT_FOUND"
    assert await refusal(ask(shared, "SearchFiles", query="one", path="s/pipe")) == "NOT_A_FILE"
    assert await refusal(ask(shared, "SearchFiles", query="(", regex=True)) == "BAD_PATTERN"
    found, reason = await search(shared, "(", path="s")
    assert (found, reason) == ([], "COMPLETE")


async def test_searching_names(shared: Bench) -> None:
    await shared.run("mkdir -p n/Folder/x; touch n/Folder/x/readme.md n/README n/other")
    found, _ = await search(shared, "readme", path="n", target="TARGET_NAMES", ignore_case=True)
    assert [match.path for match in found] == ["n/Folder/x/readme.md", "n/README"]
    found, _ = await search(shared, "Fold", path="n", target="TARGET_NAMES", globs=["Folder"])
    assert [(match.path, match.text[match.begin : match.end]) for match in found][:1] == [("n/Folder", "Fold")]


async def test_a_long_line_is_shown_around_the_match(shared: Bench) -> None:
    await shared.run("python3 -c \"print('x' * 100000 + 'needle' + 'y' * 100000)\" >long")
    [match], _ = await search(shared, "needle", globs=["long"])
    assert (len(match.text), match.text[match.begin : match.end]) == (300, "needle")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*)*(.*)*(.*)*x$"])
async def test_a_pattern_that_never_ends_ends_in_time(shared: Bench, pattern: str) -> None:
    await shared.run("printf '%0100d!' 0 | tr 0 a >evil")
    asked = search(shared, pattern, regex=True, time_limit_ms=300, globs=["evil"])
    (found, reason), tree = await asyncio.gather(asked, ask(shared, "ListTree"))
    assert (found, reason) == ([], "TIME")
    assert tree.entries
    assert (await shared.run("pgrep -fc guest.searching")).output == b"0\n"


async def told(parts: object, wanted: str) -> list[tuple[str, int]]:
    """The changes up to that of a path."""
    seen: list[tuple[str, int]] = []
    async with asyncio.timeout(20):
        while wanted not in [path for path, _ in seen]:
            part = await anext(parts)  # type: ignore[call-overload]
            assert not part.HasField("reload")
            seen += [(change.path, change.kind) for change in part.changes.changes]
    return seen


async def test_changes_are_told_as_they_happen(shared: Bench) -> None:
    await shared.run("mkdir -p wa/old; touch wa/old/f wa/gone")
    request = fpb.WatchFilesRequest(sandbox_id=shared.sandbox_id)
    async with (
        aclosing(shared.client.watch_files(request)) as parts,
        aclosing(shared.client.watch_files(request)) as too,
    ):
        for each in (parts, too):
            assert (await anext(each)).ready.folders >= 2
        await shared.run(
            "mkdir -p wa/new/deep; echo 1 >wa/new/deep/f; touch wa/.x; mkdir wa/node_modules; touch wa/node_modules/y"
        )
        await shared.run("echo 2 >>wa/old/f; rm wa/gone; mv wa/old wa/renamed; touch wa/renamed/last")
        for each in (parts, too):
            seen = await told(each, "wa/renamed/last")
            kinds = dict(seen)
            assert kinds["wa/new/deep/f"] == kinds["wa/renamed"] == Change.KIND_CREATED
            assert kinds["wa/gone"] == kinds["wa/old"] == Change.KIND_REMOVED
            assert not [path for path in kinds if "node_modules/" in path or "lucid-" in path]
        await shared.run("echo 3 >>wa/renamed/f; touch wa/end")
        assert dict(await told(parts, "wa/end"))["wa/renamed/f"] == Change.KIND_CHANGED
    await shared.until("! ls -l /proc/[0-9]*/fd 2>/dev/null | grep -q inotify")


async def test_too_much_at_once_is_told_as_such(shared: Bench) -> None:
    await shared.run("mkdir -p node_modules/many && touch $(seq -f node_modules/many/%g 3000)")
    request = fpb.WatchFilesRequest(sandbox_id=shared.sandbox_id)
    async with aclosing(shared.client.watch_files(request)) as parts:
        await anext(parts)
        await shared.run("mv node_modules/many .")
        async with asyncio.timeout(20):
            while not (await anext(parts)).HasField("reload"):
                pass


async def test_an_archive_there_and_back(shared: Bench) -> None:
    await shared.run(
        "mkdir -p ar/d/node_modules/x ar/.git; printf '\\0\\1' >ar/d/b; chmod +x ar/d/b; ln -s d/b ar/l; mkfifo ar/p"
    )
    await shared.run(f"touch ar/{'n' * 200} ar/d/{'m' * 120}; echo x >ar/d/node_modules/x/y")
    *parts, last = await ask(shared, "ExportArchive", path="ar")
    data = b"".join(part.data for part in parts)
    assert (last.done.entries, last.done.bytes, last.done.skipped) == (9, 4, 1)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert sorted(archive.getnames())[:3] == [".git", "d", "d/b"]
    told = await ask(shared, "ImportArchive", path="back/in", archive=data)
    assert (told.entries, told.bytes) == (9, 4)
    assert (
        await shared.run("rm ar/p; diff -r ar back/in && stat -c %a back/in/d/b; readlink back/in/l")
    ).output == b"755\nd/b\n"
    *parts, last = await ask(shared, "ExportArchive", path="ar", leave_out_made=True)
    assert last.done.entries == 6
    assert await refusal(ask(shared, "ImportArchive", path="back/in", archive=data)) == "FILE_EXISTS"
    assert (await ask(shared, "ImportArchive", path="back/in", archive=data, overwrite=True)).entries == 9
