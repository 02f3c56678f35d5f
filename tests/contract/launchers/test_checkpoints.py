"""What no remote has is packed inside, kept outside, and applied to a fresh clone: commits, branches, changed files."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from lucid.sandbox.v1 import lifecycle_pb2 as lpb

from services.rpc.status import RemoteError
from tests.contract.launchers.sleeper import OFF, Sleeper, about, parts_of, sleeper_on

REMOTE = """
git init -q --bare /var/lib/lucid/home/remote.git
git clone -q /var/lib/lucid/home/remote.git seed 2>/dev/null && cd seed
printf 'one\\ntwo\\n' >file; printf 'build/\\n' >.gitignore; head -c 3000 /dev/urandom >image.bin
git add . && git commit -qm base && git push -q origin HEAD:main && cd .. && rm -rf seed
git -C /var/lib/lucid/home/remote.git symbolic-ref HEAD refs/heads/main
"""
CLONE = "rm -rf shop && git clone -q /var/lib/lucid/home/remote.git shop && cd shop"
WORK = """
git switch -qc lucid/ses_1/pushed && echo p >pushed && git add . && git commit -qm pushed && git push -q origin HEAD
git branch other main 2>/dev/null; git switch -qc lucid/ses_1/fix
echo three >>file && git commit -qam first && echo four >>file && git commit -qam second
echo five >>file; rm pushed; mkdir -p a/b build; echo new >'a/b/new file'; printf '\\0\\1' >raw.bin; chmod +x a/b/*
head -c 3000 /dev/urandom >image.bin; echo ignored >build/out; ln -s file link; echo staged >staged; git add staged
"""
STATE = (
    "cd /workspace/shop; git rev-parse HEAD; git symbolic-ref --short HEAD; git log --format=%s; "
    "git for-each-ref --format='%(refname) %(objectname)' refs/heads; git add -AN .; git diff HEAD --binary; "
    "ls -lR --time-style=+"
)


@pytest.fixture
async def sleeper(backend: str, tmp_path: Path) -> AsyncIterator[Sleeper]:
    async with sleeper_on(backend, tmp_path, **OFF) as made:
        yield made


async def worked(sleeper: Sleeper) -> bytes:
    """Does some work; what it looks like, without what is ignored."""
    ran = await sleeper.run(f"set -e\n{REMOTE}\n{CLONE}\n{WORK}")
    assert ran.exit.exit_code == 0, ran.output
    return (await sleeper.run(f"rm -rf /workspace/shop/build; {STATE}", cwd="/workspace")).output


async def test_it_holds_all_that_no_remote_has_and_brings_it_back(sleeper: Sleeper) -> None:
    before = await worked(sleeper)
    await sleeper.run(
        "mkdir -p /workspace/shop/build; echo beside >/workspace/notes; echo x >/workspace/shop/build/out"
    )
    made = await sleeper.save()
    assert (made.commits, made.files, list(made.left_out)) == (2, 8, [])
    assert [(each.path, each.branch) for each in made.repositories] == [("shop", "lucid/ses_1/fix"), (".", "")]
    parts = parts_of(await sleeper.archive(made.checkpoint_id))
    assert sorted(parts) == ["0.bundle", "0.patch", "1.patch", "README.txt", "checkpoint.json"]
    assert b"ignored" not in parts["0.patch"]
    snapshot = await sleeper.snapshot("shop")
    assert about(parts)["repositories"][0]["tree"] == snapshot.tree
    await sleeper.run("rm -rf /workspace/shop /workspace/notes", cwd="/workspace")
    await sleeper.run(CLONE, cwd="/workspace")
    restored = await sleeper.restore(made.checkpoint_id)
    assert (restored.commits, restored.files, restored.branch) == (2, 8, "lucid/ses_1/fix")
    assert list(restored.failed) == []
    assert (await sleeper.run(STATE, cwd="/workspace")).output == before
    assert (await sleeper.read("notes")).data == b"beside\n"
    assert (await sleeper.told())[-1].transition_id == restored.transition_id
    again = await sleeper.restore(made.checkpoint_id)
    assert again == restored
    assert (await sleeper.words()) == ["READY", "SAVED", "RESTORED"]


async def test_a_person_can_apply_it_with_git_alone(sleeper: Sleeper, tmp_path: Path) -> None:
    """As README.txt in it says."""
    await worked(sleeper)
    made = await sleeper.save()
    for name, data in parts_of(await sleeper.archive(made.checkpoint_id)).items():
        (tmp_path / name).write_bytes(data)
    script = "git bundle list-heads 0.bundle && git init -q w && cd w && git apply --check --include=staged ../0.patch"
    done = await asyncio.to_thread(
        subprocess.run, ["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"refs/heads/lucid/ses_1/fix" in done.stdout
    assert b"refs/heads/lucid/ses_1/pushed" in done.stdout  # its remote branch may go when it is merged


async def test_what_does_not_fit_is_said_and_the_rest_is_applied(sleeper: Sleeper) -> None:
    await worked(sleeper)
    made = await sleeper.save()
    await sleeper.run("rm -rf /workspace/shop && mkdir /workspace/shop && cd /workspace/shop && git init -q .", cwd="/")
    restored = await sleeper.restore(made.checkpoint_id)
    assert restored.branch == ""
    assert len(restored.failed) >= 2
    assert "shop" in restored.failed[0]
    assert (await sleeper.told())[-1].reason


async def test_too_large_is_said_and_small_files_are_kept(sleeper: Sleeper) -> None:
    await sleeper.run("head -c 11000000 /dev/urandom >big; echo small >small; mkdir empty")
    made = await sleeper.save()
    assert (made.commits, made.files, list(made.left_out)) == (0, 2, ["big: too large"])
    parts = parts_of(await sleeper.archive(made.checkpoint_id))
    assert b"small" in parts["0.patch"]
    assert b"big" not in parts["0.patch"]
    assert "big" in (await sleeper.told())[-1].reason


async def test_pages_offsets_keys_and_the_last_five(sleeper: Sleeper) -> None:
    with pytest.raises(RemoteError) as refused:
        await sleeper.save()
    assert refused.value.reason == "CHECKPOINT_FAILED"
    await sleeper.create("file", "x")
    first = await sleeper.save("once")
    assert await sleeper.save("once") == first
    made = [first, *[await sleeper.save() for _ in range(5)]]
    assert await sleeper.saved() == made[:0:-1]
    request = lpb.ListCheckpointsRequest(sandbox_id=sleeper.sandbox_id, page_size=3)
    page = await sleeper.client.list_checkpoints(request)
    request.page_token = page.next_page_token
    rest = await sleeper.client.list_checkpoints(request)
    assert [*page.checkpoints, *rest.checkpoints] == made[:0:-1]
    assert rest.next_page_token == ""
    whole = await sleeper.archive(made[-1].checkpoint_id)
    assert len(whole) == made[-1].bytes
    assert await sleeper.archive(made[-1].checkpoint_id, 7) == whole[7:]
    for gone in (first.checkpoint_id, "chk_0123456789"):
        with pytest.raises(RemoteError) as refused:
            await sleeper.archive(gone)
        assert refused.value.reason == "CHECKPOINT_NOT_FOUND"
    with pytest.raises(RemoteError) as refused:
        await sleeper.restore("chk_0123456789")
    assert refused.value.reason == "CHECKPOINT_NOT_FOUND"
    folder = sleeper.settings.data_dir / "checkpoints" / sleeper.sandbox_id
    assert len(list(folder.iterdir())) == 5
    await sleeper.delete()
    assert not folder.exists()


async def test_keys_of_a_lost_workspace_are_used_for_ever(sleeper: Sleeper) -> None:
    """A command that may have run must not run again in the workspace that follows."""
    await sleeper.run("echo run >>runs", "once", epoch=3)
    made = await sleeper.save()
    await sleeper.run("rm -rf /workspace/* /var/lib/lucid/journal", cwd="/", epoch=3)
    await sleeper.kill_helper()
    await sleeper.restore(made.checkpoint_id, epoch=3)
    ran = await sleeper.run("echo run >>runs", "once", epoch=3)
    assert (ran.started.attached, ran.reason) == (True, "REASON_SANDBOX_LOST")
    assert (await sleeper.read("runs")).data == b"run\n"
    with pytest.raises(RemoteError) as refused:
        await sleeper.restore(made.checkpoint_id, epoch=2)
    assert refused.value.reason == "FENCED"
