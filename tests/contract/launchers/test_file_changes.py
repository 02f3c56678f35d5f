"""Writing, moving and removing files: under conditions, in parts, once for a key."""

import hashlib

import pytest
from lucid.sandbox.v1 import files_pb2 as fpb

from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ask, download, paths, refusal, upload

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_file_is_written_whole_and_once(shared: Bench) -> None:
    first = await ask(shared, "WriteFile", path="w/deep/er", content=b"a\0b", write_id="w1", executable=True)
    assert (first.etag, first.size, first.created) == (hashlib.sha256(b"a\0b").hexdigest(), 3, True)
    await shared.run("echo other >w/deep/er")
    again = await ask(shared, "WriteFile", path="w/deep/er", content=b"a\0b", write_id="w1")
    assert (again.etag, again.size, again.created, again.repeated_call) == (first.etag, 3, False, True)
    assert (await shared.read("w/deep/er")).data == b"other\n"
    await ask(shared, "WriteFile", path="w/deep/er", content=b"new")
    told = (await shared.run("stat -c '%a %F' w/deep/er; ls -A w/deep")).output
    assert told == b"755 regular file\ner\n"
    await ask(shared, "WriteFile", path="w/deep/er", executable=False)
    assert (await shared.run("stat -c '%a %s' w/deep/er")).output == b"644 0\n"


async def test_conditions(shared: Bench) -> None:
    path = "conditions"
    assert await refusal(ask(shared, "WriteFile", path=path, content=b"1", if_match="*")) == "FILE_CHANGED"
    first = await ask(shared, "WriteFile", path=path, content=b"1", if_match="absent")
    for condition in ("absent", hashlib.sha256(b"2").hexdigest()):
        found = await refusal(ask(shared, "WriteFile", path=path, content=b"x", if_match=condition, write_id="cond"))
        assert found == "FILE_CHANGED"
    second = await ask(shared, "WriteFile", path=path, content=b"2", if_match=first.etag, write_id="cond")
    assert not second.repeated_call
    await ask(shared, "WriteFile", path=path, content=b"3", if_match="*")
    assert (await shared.read(path)).data == b"3"
    assert (await shared.run("ls -A | grep -c lucid-")).output == b"0\n"


async def test_a_large_file_comes_in_parts(shared: Bench) -> None:
    data = bytes(range(256)) * 20_000
    whole = await upload(shared, data)
    await ask(shared, "WriteFilePart", upload_id=whole.upload_id, offset=100, data=data[100:300])
    short = fpb.Upload(upload_id=whole.upload_id, size=len(data) - 1)
    assert await refusal(ask(shared, "WriteFile", path="large", upload=short)) == "UPLOAD_INCOMPLETE"
    written = await ask(shared, "WriteFile", path="large", upload=whole, write_id="large")
    assert (written.etag, written.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert (await ask(shared, "WriteFile", path="large", upload=whole, write_id="large")).repeated_call
    assert await refusal(ask(shared, "WriteFile", path="again", upload=whole)) == "UPLOAD_INCOMPLETE"
    assert await download(shared, "large") == data
    assert await download(shared, "large", offset=1000, length=70_000) == data[1000:71_000]


async def test_parts_leave_no_gap_and_have_their_limits(shared: Bench) -> None:
    assert await refusal(ask(shared, "WriteFilePart", upload_id="gap", offset=1, data=b"x")) == "UPLOAD_INCOMPLETE"
    await ask(shared, "WriteFilePart", upload_id="gap", data=b"x")
    assert await refusal(ask(shared, "WriteFilePart", upload_id="gap", offset=3, data=b"x")) == "UPLOAD_INCOMPLETE"
    assert await refusal(ask(shared, "WriteFilePart", upload_id="gap", offset=2**29, data=b"x")) == "FILE_TOO_LARGE"
    for number in range(7):
        await ask(shared, "WriteFilePart", upload_id=f"many{number}", data=b"x")
    assert await refusal(ask(shared, "WriteFilePart", upload_id="one-more", data=b"x")) == "SANDBOX_BUSY"
    await shared.run("touch -d '2 hours ago' /var/lib/lucid/uploads/*")
    await ask(shared, "WriteFilePart", upload_id="one-more", data=b"x")


async def test_folders(shared: Bench) -> None:
    made = await ask(shared, "MakeDirectory", path="m/a/de", change_id="m1")
    again = await ask(shared, "MakeDirectory", path="m/a/de", change_id="m1")
    assert (made.created, again.created, again.repeated_call) == (True, True, True)
    assert not (await ask(shared, "MakeDirectory", path="m/a")).created
    await shared.run("touch m/file; ln -s a m/link")
    assert await refusal(ask(shared, "MakeDirectory", path="m/file")) == "FILE_EXISTS"
    assert not (await ask(shared, "MakeDirectory", path="m/link")).created
    assert (await ask(shared, "MakeDirectory", path="m/link/in")).created
    assert await paths(shared, path="m") == ["m/a", "m/a/de", "m/a/in", "m/file", "m/link"]


async def test_moving(shared: Bench) -> None:
    await shared.run("mkdir -p mv/from/x mv/full/y; echo 1 >mv/one; echo 2 >mv/two; ln -s one mv/link")
    assert await refusal(ask(shared, "MoveFile", path="mv/one", new_path="mv/two", change_id="k")) == "FILE_EXISTS"
    moved = await ask(shared, "MoveFile", path="mv/one", new_path="mv/two", overwrite=True, change_id="k")
    assert not moved.repeated_call
    assert (await ask(shared, "MoveFile", path="mv/one", new_path="mv/two", change_id="k")).repeated_call
    await ask(shared, "MoveFile", path="mv/from", new_path="mv/new/place")
    await ask(shared, "MoveFile", path="mv/link", new_path="mv/link2")
    assert (await shared.run("cat mv/two; readlink mv/link2; ls mv/new/place")).output == b"1\none\nx\n"
    gone = ask(shared, "MoveFile", path="mv/from", new_path="mv/not-made/x")
    assert await refusal(gone) == "FILE_NOT_FOUND"
    into_itself = ask(shared, "MoveFile", path="mv/new", new_path="mv/new/place/deeper")
    assert await refusal(into_itself) == "FILE_FAILED"
    onto_full = ask(shared, "MoveFile", path="mv/new", new_path="mv/full", overwrite=True)
    assert await refusal(onto_full) == "FOLDER_NOT_EMPTY"
    assert await refusal(ask(shared, "MoveFile", path=".", new_path="mv/root")) == "FILE_FORBIDDEN"
    assert "mv/not-made" not in await paths(shared, path="mv")


async def test_removing(shared: Bench) -> None:
    await shared.run(
        "mkdir -p rm/a/b rm/empty; touch rm/a/b/f rm/a/g; mkdir kept; touch kept/f; ln -s ../kept rm/a/link"
    )
    assert await refusal(ask(shared, "RemoveFile", path="rm")) == "FOLDER_NOT_EMPTY"
    assert (await ask(shared, "RemoveFile", path="rm/empty")).removed == 1
    removed = await ask(shared, "RemoveFile", path="rm", recursive=True, change_id="rm")
    again = await ask(shared, "RemoveFile", path="rm", recursive=True, change_id="rm")
    assert (removed.removed, again.removed, again.repeated_call) == (6, 6, True)
    assert await refusal(ask(shared, "RemoveFile", path="rm")) == "FILE_NOT_FOUND"
    assert await refusal(ask(shared, "RemoveFile", path=".", recursive=True)) == "FILE_FORBIDDEN"
    assert await paths(shared, path="kept") == ["kept/f"]


async def test_a_tree_deeper_than_any_path_is_removed(shared: Bench) -> None:
    make = "[(os.mkdir('d' * 200), os.chdir('d' * 200)) for _ in range(400)]"
    deep = f"import os; os.mkdir('deep'); os.chdir('deep'); {make}"
    assert (await shared.run(f'python3 -c "{deep}"')).exit.exit_code == 0
    assert (await ask(shared, "RemoveFile", path="deep", recursive=True)).removed == 401


async def test_what_a_dead_helper_had_begun_is_done_again(shared: Bench) -> None:
    """Its journal says that it began; the file system, how far it got."""
    await shared.run("mkdir -p crash/tree/x; touch crash/moved")
    begun = "".join(f'{{"edit":"{key}","begun":true}}\\n' for key in ("crash-mv", "crash-rm", "crash-mk"))
    await shared.kill_helper()
    await shared.bring_up()
    journal = "/var/lib/lucid/journal"
    await shared.run(f"printf '{begun}' >>{journal}")
    await shared.kill_helper()
    move = await ask(shared, "MoveFile", path="crash/gone", new_path="crash/moved", change_id="crash-mv")
    remove = await ask(shared, "RemoveFile", path="crash/tree", recursive=True, change_id="crash-rm")
    make = await ask(shared, "MakeDirectory", path="crash/made", change_id="crash-mk")
    assert (move.repeated_call, remove.removed, make.created) == (False, 2, True)
    assert (await ask(shared, "RemoveFile", path="crash/tree", change_id="crash-rm")).repeated_call
    assert await paths(shared, path="crash") == ["crash/made", "crash/moved"]


async def test_an_edit_tells_what_it_changed(shared: Bench) -> None:
    new = await shared.edit("diff/new", create={"content": "1\n2"})
    assert new.unified_diff == "--- /dev/null\n+++ b/diff/new\n@@ -0,0 +1,2 @@\n+1\n+2\n\\ No newline at end of file\n"
    lines = "".join(f"{number}\n" for number in range(1, 31))
    await shared.create("diff/lines", lines)
    edited = await shared.edit("diff/lines", "told", replace={"old_text": "15\n", "new_text": "fifteen\n15½\n"})
    assert (edited.added, edited.removed, edited.binary, edited.diff_truncated) == (2, 1, False, False)
    told = (await shared.run("sed 's/^15$/fifteen\\n15½/' <(seq 30) | diff -u --label a --label b <(seq 30) -")).output
    assert edited.unified_diff.split("\n")[2:] == told.decode().split("\n")[2:]
    again = await shared.edit("diff/lines", "told", replace={"old_text": "15\n", "new_text": "x"})
    assert (again.added, again.removed, again.unified_diff) == (2, 1, "")
    binary = await shared.edit("diff/lines", create={"content": "\0", "overwrite": True})
    assert (binary.binary, binary.unified_diff) == (True, "")
