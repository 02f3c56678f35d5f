"""Files through the helper, and the paths that lead out of the workspace."""

import contextlib
import hashlib
import stat

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from services.rpc.status import RemoteError
from tests.contract.launchers.conftest import Bench

LINKS = """
ln -s /etc/passwd absolute; ln -s ../../etc/passwd upwards; ln -s /proc/self/environ magic; ln -s /etc folder
ln -s loop loop; mkdir inner; echo in >inner/file; ln -s inner/file within; mkfifo pipe
ln -s /dev/zero device; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
"""
OUT = [
    *("absolute", "upwards", "magic", "folder/passwd", "../state/journal", "/etc/passwd", "/workspacex/file", "a\0b"),
    *("inner/../../etc/passwd", "/workspace/../etc/passwd", "/proc/self/environ", "/var/lib/lucid/journal"),
]


async def refusal(call: object) -> str:
    with pytest.raises(RemoteError) as refused:
        await call  # type: ignore[misc]
    return refused.value.reason


async def test_no_path_and_no_link_leads_out(bench: Bench) -> None:
    await bench.run(LINKS)
    for path in OUT:
        assert await refusal(bench.read(path)) == "PATH_OUTSIDE_WORKSPACE", path
        assert await refusal(bench.create(path, "planted")) == "PATH_OUTSIDE_WORKSPACE", path
    assert (await bench.read("within")).data == b"in\n"


async def test_what_is_no_file_is_refused_at_once(bench: Bench) -> None:
    await bench.run(LINKS)
    for path in ("pipe", "socket", "inner", "."):
        assert await refusal(bench.read(path)) == "NOT_A_FILE", path
    assert await refusal(bench.read("device")) == "PATH_OUTSIDE_WORKSPACE"
    for path in ("absent", "absent/deeper", "loop", "n" * 300, "/".join(["d"] * 1500)):
        assert await refusal(bench.read(path)) == "FILE_NOT_FOUND", path[:20]


async def test_a_link_that_is_swapped_while_we_read_never_leads_out(bench: Bench) -> None:
    swap = "while :; do ln -sfn /etc it; ln -sfn real it; done"
    await bench.run(f"mkdir real; echo inside >real/passwd; (timeout 3 bash -c '{swap}') &")
    seen = set()
    for _ in range(400):
        with contextlib.suppress(RemoteError):
            seen.add((await bench.read("it/passwd")).data)
    assert seen == {b"inside\n"}


async def test_ranges_sizes_and_hashes(bench: Bench) -> None:
    await bench.run(r"printf '\xff\x00abc' >bytes; truncate -s 10G sparse")
    whole = await bench.read("bytes")
    assert (whole.data, whole.size) == (b"\xff\x00abc", 5)
    assert whole.etag == hashlib.sha256(b"\xff\x00abc").hexdigest()
    assert (await bench.read("/workspace/bytes", offset=2, limit=2)).data == b"ab"
    sparse = await bench.read("sparse", offset=9 * 2**30)
    assert (len(sparse.data), sparse.size, sparse.etag) == (2**20, 10 * 2**30, "")


async def test_the_tree_leaves_out_what_nobody_wants_to_see(bench: Bench) -> None:
    await bench.run(r"mkdir -p b/c node_modules/x .hidden/y .git; touch b/c/file .env a; ln -s b link; : >$'bad\xff'")
    tree = await bench.client.list_tree(pb.ListTreeRequest(sandbox_id=bench.sandbox_id))
    assert [entry.path for entry in tree.entries] == [".env", "a", "b", "b/c", "b/c/file", "bad\U0010feff", "link"]
    assert [entry.path for entry in tree.entries if entry.directory] == ["b", "b/c"]
    assert [entry.path for entry in tree.entries if entry.symlink] == ["link"]
    shallow = await bench.client.list_tree(pb.ListTreeRequest(sandbox_id=bench.sandbox_id, path="b", depth=1))
    assert [entry.path for entry in shallow.entries] == ["b/c"]
    cut = await bench.client.list_tree(pb.ListTreeRequest(sandbox_id=bench.sandbox_id, max_entries=3))
    assert (len(cut.entries), cut.truncated) == (3, True)


async def test_edits(bench: Bench) -> None:
    created = await bench.edit("deep/er/new.py", create={"content": "one\ntwo\nthree"})
    assert (created.lines, created.repeated_call) == (3, False)
    await bench.run("chmod 750 deep/er/new.py")
    await bench.edit("deep/er/new.py", replace={"old_text": "two\n", "new_text": "2\n2½\n"})
    await bench.edit("/workspace/deep/er/new.py", insert={"after_line": 0, "text": "zero"})
    last = await bench.edit("deep/er/new.py", insert={"after_line": 5, "text": "four"})
    content = "zero\none\n2\n2½\nthree\nfour\n".encode()
    found = await bench.read("deep/er/new.py")
    assert (found.data, last.etag, last.lines) == (content, hashlib.sha256(content).hexdigest(), 6)
    mode = int((await bench.run("stat -c %a deep/er/new.py")).output, 8)
    assert stat.S_IMODE(mode) == 0o750


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"replace": {"old_text": "absent", "new_text": ""}}, "EDIT_NO_MATCH"),
        ({"replace": {"old_text": "aa", "new_text": ""}}, "EDIT_AMBIGUOUS"),
        ({"insert": {"after_line": 3, "text": "x"}}, "EDIT_NO_MATCH"),
        ({"create": {"content": "x"}}, "FILE_EXISTS"),
        ({}, "INVALID_REQUEST"),
    ],
)
async def test_edits_that_are_refused_change_nothing(bench: Bench, change: dict[str, object], reason: str) -> None:
    await bench.create("file", "aaa\nb\n")
    assert await refusal(bench.edit("file", "refused", **change)) == reason
    assert (await bench.read("file")).data == b"aaa\nb\n"
    # A refused edit is not "done": under the same key a right one is applied.
    done = await bench.edit("file", "refused", replace={"old_text": "b", "new_text": "c"})
    assert not done.repeated_call


async def test_an_edit_is_applied_once_for_its_key(bench: Bench) -> None:
    await bench.create("file", "x\n")
    first = await bench.edit("file", "same", insert={"after_line": 0, "text": "x"})
    again = await bench.edit("file", "same", insert={"after_line": 0, "text": "x"})
    assert (again.etag, again.lines, again.repeated_call) == (first.etag, 2, True)
    assert (await bench.read("file")).data == b"x\nx\n"


async def test_through_a_link_inside_the_file_itself_is_changed(bench: Bench) -> None:
    await bench.run("mkdir sub; echo old >sub/target; ln -s sub/target link; ln -s sub folder")
    await bench.edit("link", replace={"old_text": "old", "new_text": "new"})
    await bench.create("folder/made", "made")
    assert (await bench.run("cat sub/target sub/made; readlink link")).output == b"new\nmadesub/target\n"
