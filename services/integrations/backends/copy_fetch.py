"""Fetching a hosted repository into a bare copy of ours, by git's protocol version 2 (gitprotocol-v2).

We speak it ourselves: a git that fetched would have to be given the token.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from services.integrations.backends.git_child import kill_group, start_git
from services.integrations.backends.git_environment import git_environment
from services.integrations.backends.local_git import run_git
from services.integrations.domain.errors import ProviderUnavailable
from services.integrations.domain.pktline import DELIMITER, FLUSH, BadPacketLine, PacketReader, encode
from services.integrations.ports import GitCall, GitUpstream

AGENT = b"agent=git/lucid-gate\n"
MAX_REFS_BYTES = 32 * 1024 * 1024
MAX_HAVES = 512
PACK, PROGRESS = 1, 2
_REF = re.compile(r"refs/(heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class CopyTooLarge(Exception):
    """More than the cache has room for."""


async def fetch_copy(upstream: GitUpstream, call: GitCall, copy: Path, most_bytes: int) -> None:
    """Brings branches and tags of the bare repository `copy` to the provider's state.

    Raises ProviderUnavailable, CopyTooLarge.
    """
    theirs = await _list_refs(upstream, call)
    ours = await refs_of(copy)
    missing = {commit for commit in theirs.values() if commit not in ours.values()}
    wants = missing - await present(copy, missing)
    if wants:
        await _fetch_pack(upstream, call, copy, wants, list(ours.values())[:MAX_HAVES], most_bytes)
    # Names that give way first: a branch `a` may have become a folder of branches.
    gone = [f"delete {name}\0\0" for name in ours.keys() - theirs.keys()]
    moved = [f"update {name}\0{commit}\0\0" for name, commit in theirs.items() if ours.get(name) != commit]
    for commands in (gone, moved):
        code, _ = await run_git(copy, ["update-ref", "--stdin", "-z"], given="".join(commands).encode())
        if code:
            raise ProviderUnavailable("The copy's branches could not be set.")


async def refs_of(copy: Path) -> dict[str, str]:
    """Branches and tags of a copy."""
    _, out = await run_git(copy, ["for-each-ref", "--format=%(objectname) %(refname)"])
    lines = (line.partition(" ") for line in out.decode("utf-8", "surrogateescape").splitlines())
    return {name: commit for commit, _, name in lines}


async def present(copy: Path, commits: Collection[str]) -> set[str]:
    """Those that a copy has."""
    if not commits:
        return set()
    given = "".join(f"{commit}\n" for commit in commits).encode()
    _, out = await run_git(copy, ["cat-file", "--batch-check=%(objectname) %(objecttype)"], given=given)
    return {line.split()[0] for line in out.decode().splitlines() if not line.endswith(" missing")}


def _request(call: GitCall, command: bytes, arguments: list[bytes]) -> tuple[GitCall, bytes]:
    lines = [encode(b"command=" + command + b"\n"), encode(AGENT), encode(b"object-format=sha1\n"), DELIMITER]
    body = b"".join([*lines, *(encode(one + b"\n") for one in arguments), FLUSH])
    return replace(call, protocol="version=2", content_encoding="", length=len(body)), body


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _list_refs(upstream: GitUpstream, call: GitCall) -> Mapping[str, str]:
    wanted, body = _request(call, b"ls-refs", [b"ref-prefix refs/heads/", b"ref-prefix refs/tags/"])
    refs: dict[str, str] = {}
    taken = 0
    async with upstream.exchange(wanted, _once(body)) as reply:
        if reply.status != 200:
            raise ProviderUnavailable("The provider did not list its branches.")
        async for line in _lines(reply.body()):
            taken += len(line or b"")
            if taken > MAX_REFS_BYTES:
                raise CopyTooLarge
            commit, _, name = (line or b"").decode("utf-8", "surrogateescape").rstrip("\n").partition(" ")
            if _COMMIT.fullmatch(commit) and _REF.fullmatch(name):
                refs[name] = commit
    return refs


async def _lines(data: AsyncIterator[bytes]) -> AsyncIterator[bytes | None]:
    reader = PacketReader(delimited=True)
    try:
        async for piece in data:
            reader.feed(piece)
            while (found := reader.next())[0]:
                yield found[1]
    except BadPacketLine as error:
        raise ProviderUnavailable("The provider's answer was not git's.") from error
    if reader.rest:
        raise ProviderUnavailable("The provider's answer broke off.")


async def _fetch_pack(
    upstream: GitUpstream, call: GitCall, copy: Path, wants: Collection[str], haves: list[str], most_bytes: int
) -> None:
    asked = [b"thin-pack", b"ofs-delta", b"no-progress"]
    asked += [b"want " + commit.encode() for commit in wants] + [b"have " + commit.encode() for commit in haves]
    wanted, body = _request(call, b"fetch", [*asked, b"done"])
    async with upstream.exchange(wanted, _once(body)) as reply:
        if reply.status != 200:
            raise ProviderUnavailable("The provider did not send its objects.")
        await _index(copy, _pack(reply.body(), most_bytes))


async def _pack(data: AsyncIterator[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    """The pack out of the answer's sections."""
    in_pack, taken = False, 0
    async with contextlib.aclosing(_lines(data)) as lines:  # type: ignore[type-var]
        async for line in lines:
            if not in_pack:
                in_pack = line == b"packfile\n"
            elif line and line[0] == PACK:
                taken += len(line) - 1
                if taken > most_bytes:
                    raise CopyTooLarge
                yield line[1:]
            elif line and line[0] != PROGRESS:
                raise ProviderUnavailable("The provider broke off in the middle of its objects.")


async def _index(copy: Path, pack: AsyncIterator[bytes]) -> None:
    """Takes a pack in. Half a pack leaves nothing."""
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    arguments = (f"--git-dir={copy}", "index-pack", "--stdin", "--fix-thin")
    child = await start_git(*arguments, stdin=pipe, stdout=nothing, stderr=nothing, env=git_environment(), cwd="/")
    assert child.stdin is not None
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            async for data in pack:
                child.stdin.write(data)
                await child.stdin.drain()
            child.stdin.close()
        if await child.wait():
            raise ProviderUnavailable("The provider's objects are not whole.")
    finally:
        if child.returncode is None:
            kill_group(child)
            await child.wait()
