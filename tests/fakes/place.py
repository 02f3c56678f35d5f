"""The agent's workspace and forge in one, in memory: what commands print and change is given, `away` fails."""

import asyncio
import difflib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from lucid.sessions.v1.event_pb2 import (
    CommandCompleted,
    DiffSnapshot,
    FileEdited,
    NetworkBlocked,
    NetworkMode,
    PullRequestChanged,
)

from services.sessions.domain.models import Repository, SessionRecord
from services.sessions.domain.work import (
    CommandBegun,
    CommandBlocked,
    CommandEnded,
    CommandFrame,
    CommandLog,
    CommandOutput,
    Confinement,
    CreateFile,
    DiffForm,
    DiffPart,
    FileContent,
    FileEdit,
    Found,
    FoundLine,
    Gate,
    Happened,
    LogPart,
    Push,
    ReplaceText,
    Restored,
    RestoredWork,
    SearchEnd,
    Snapshot,
    Sought,
    ToolFailure,
    Totals,
)
from tests.fakes.images import Images

DETACHED = CommandCompleted.REASON_DETACHED
LISTED = NetworkMode.NETWORK_MODE_LIST
MADE = Confinement("bubblewrap", "", "/workspace", True, True, LISTED, ("a.example:443",))


@dataclass
class Ran:
    """What a command of the fake does: its output, its exit code, what it writes to files, what it pushes."""

    output: bytes = b""
    exit_code: int = 0
    writes: dict[str, str] = field(default_factory=dict)
    push: str = ""
    reason: int = CommandCompleted.REASON_EXITED
    cwd_after: str = "/workspace/teatime"
    blocked: tuple[NetworkBlocked, ...] = ()


@dataclass
class Place(Images):
    """Workspace and forge in one. `away`: how many calls cannot reach it; `starts`: keys that really ran.

    `sandbox`: how it comes up; `saved`: what a checkpoint brings back, `brought_back` who asked for it, and which.
    """

    commands: Callable[[str], Ran] = lambda _: Ran(b"ok\n")
    files: dict[str, str] = field(default_factory=dict)
    away: int = 0
    creates: int = 0
    starts: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    cwds: list[str] = field(default_factory=list)
    running: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    restored: dict[str, str] = field(default_factory=dict)
    pushed: list[Push] = field(default_factory=list)
    opened: dict[str, PullRequestChanged] = field(default_factory=dict)
    refuse: ToolFailure | None = None
    hang: bool = False
    sandbox: Confinement = MADE
    news: list[Happened] = field(default_factory=list)
    saved: RestoredWork = RestoredWork("", "", 0, 0, "")  # noqa: RUF009 frozen
    brought_back: list[tuple[str, str]] = field(default_factory=list)
    _ended: dict[str, CommandEnded] = field(default_factory=dict)

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.away > 0:
            self.away -= 1
            raise ConnectionError("away")
        if self.refuse is not None:
            raise self.refuse

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        self.creates += 1
        return self.sandbox

    async def queue_position(self, record: SessionRecord) -> int:
        return 0

    async def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = "", background: bool = False
    ) -> AsyncGenerator[CommandFrame, None]:
        await self._reach()
        attached = key in self.starts
        if not attached:
            self.starts.append(key)
            self.cwds.append(cwd)
            self._ended[key] = self._start(self.commands(command))
        yield CommandBegun("/workspace/teatime", attached)
        ended = self._ended[key]
        if background and key not in self.stopped:
            self.running.add(key)
            yield CommandEnded(CommandCompleted(reason=DETACHED, head=ended.completed.head))
            return
        half = len(ended.completed.head) // 2
        yield CommandOutput(0, ended.completed.head[:half])
        if self.hang:
            await asyncio.sleep(60)
        await self._reach()
        yield CommandOutput(half, ended.completed.head[half:])
        for call in ended.blocked:
            yield CommandBlocked(call)
        yield replace(ended, blocked=())

    def _start(self, ran: Ran) -> CommandEnded:
        self.files.update(ran.writes)
        if ran.push:
            self.pushed.append(Push(len(self.pushed) + 1, "local", "lucid/teatime", ran.push, "c" * 40))
        completed = CommandCompleted(
            reason=cast(Any, ran.reason), head=ran.output, total_bytes=len(ran.output), cwd_after=ran.cwd_after
        )
        if ran.reason == CommandCompleted.REASON_EXITED:
            completed.exit_code = ran.exit_code
        return CommandEnded(completed, blocked=ran.blocked)

    async def read_log(self, record: SessionRecord, key: str, part: LogPart) -> CommandLog:
        await self._reach()
        if key not in self._ended:
            raise ToolFailure("COMMAND_NOT_FOUND", "No command was started under this id.")
        completed = self._ended[key].completed
        start = max(0, completed.total_bytes - part.limit) if part.offset is None else part.offset
        data = completed.head[start : start + part.limit]
        is_running = key in self.running
        return CommandLog(data, start, completed.total_bytes, None if is_running else completed, int(is_running))

    async def stop(self, record: SessionRecord, key: str) -> None:
        self.hang = False
        for each in self.running & ({key} if key else self.running):
            self.running.discard(each)
            self.stopped.add(each)
            self._ended[each].completed.reason = CommandCompleted.REASON_STOPPED
            self._ended[each].completed.ClearField("end")

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        await self._reach()
        data = self._file(path).encode()
        return FileContent(data[: limit or None], len(data))

    def _file(self, path: str) -> str:
        name = path.removeprefix("teatime/")
        if name not in self.files:
            raise ToolFailure("FILE_NOT_FOUND", "There is no such file.")
        return self.files[name]

    async def search(self, record: SessionRecord, sought: Sought) -> Found:
        """Contents only, by text; a folder or one file."""
        await self._reach()
        under = {f"teatime/{name}": text for name, text in self.files.items()}
        under = {path: text for path, text in under.items() if f"{path}/".startswith(sought.path.rstrip("/") + "/")}
        lines = [
            FoundLine(path, number, line)
            for path, text in sorted(under.items())
            for number, line in enumerate(text.splitlines(), 1)
            if sought.query in line
        ]
        end = SearchEnd.RESULTS if len(lines) > sought.limit else SearchEnd.COMPLETE
        return Found(tuple(lines[: sought.limit]), end, len(under))

    async def edit(self, record: SessionRecord, key: str, path: str, edit: FileEdit) -> None:
        await self._reach()
        if key in self.edits:
            return
        name = path.removeprefix("teatime/")
        if isinstance(edit, CreateFile):
            self.files[name] = edit.content
        elif isinstance(edit, ReplaceText):
            if self._file(path).count(edit.old_text) != 1:
                raise ToolFailure("EDIT_NO_MATCH", "The text is not in the file.")
            self.files[name] = self.files[name].replace(edit.old_text, edit.new_text)
        else:
            lines = self._file(path).splitlines(keepends=True)
            self.files[name] = "".join([*lines[: edit.after_line], edit.text + "\n", *lines[edit.after_line :]])
        self.edits.append(key)

    async def snapshot(self, record: SessionRecord, path: str, since: str, base: str = "") -> Snapshot:
        await self._reach()
        tree = self._record()
        whole = None if base not in self.trees else _whole(self._changes(base, tree), tree, base)
        return Snapshot(tree, self._changes(since, tree) if since else (), "c" * 40, whole=whole)

    def _record(self) -> str:
        tree = f"tree{abs(hash(tuple(sorted(self.files.items()))))}"
        self.trees[tree] = dict(self.files)
        return tree

    def _changes(self, since: str, tree: str) -> tuple[FileEdited, ...]:
        before, after = self.trees[since], self.trees[tree]
        return tuple(
            _change(name, before.get(name), after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        )

    async def diff(
        self, record: SessionRecord, path: str, before: str, after: str, paths: Sequence[bytes], form: DiffForm
    ) -> AsyncGenerator[DiffPart, None]:
        await self._reach()
        if before not in self.trees or after not in self.trees:
            raise ToolFailure("TREE_NOT_FOUND", "The tree is not known.")
        changes = [c for c in self._changes(before, after) if not paths or c.path.encode() in paths]
        for change in changes:
            yield change.unified_diff.encode() + b"\n" if form is DiffForm.PATCH else (change,)
        yield Totals(len(changes), sum(c.added for c in changes), sum(c.removed for c in changes))

    async def restore(self, record: SessionRecord, key: str, path: str, tree: str) -> Restored:
        await self._reach()
        if tree not in self.trees:
            raise ToolFailure("TREE_NOT_FOUND", "The tree is not known.")
        before = self._record()
        if key not in self.restored:
            self.files = dict(self.trees[tree])
            self.restored[key] = before
        changes = self._changes(self.restored[key], tree)
        totals = Totals(len(changes), sum(c.added for c in changes), sum(c.removed for c in changes))
        return Restored(self.restored[key], tree, "c" * 40, changes, totals, ())

    async def restore_checkpoint(self, record: SessionRecord, key: str, checkpoint_id: str) -> RestoredWork:
        await self._reach()
        self.brought_back.append((key, checkpoint_id))
        return self.saved

    async def happened(self, after: int) -> tuple[list[Happened], int]:
        last = self.news[-1].number if self.news else 0
        return [each for each in self.news if each.number > after], last

    async def delete(self, record: SessionRecord) -> None:
        self.files.clear()

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        await self._reach()
        return wanted

    async def open_gate(self, record: SessionRecord) -> Gate:
        prefix = f"lucid/{record.session_id}/"
        return Gate("local", "lucid/teatime", "http://x/lucid/teatime.git", "main", "http://x", prefix, ())

    async def close_gate(self, record: SessionRecord) -> None:
        pass

    async def pushes(self, record: SessionRecord, after: int) -> list[Push]:
        await self._reach()
        return self.pushed[after:]

    async def open_pull_request(
        self, record: SessionRecord, key: str, title: str, body: str, draft: bool
    ) -> PullRequestChanged:
        await self._reach()
        if not self.pushed:
            raise ToolFailure("BRANCH_NOT_PUSHED", "Nothing was pushed yet.")
        if key not in self.opened:
            number = len(self.opened) + 1
            self.opened[key] = PullRequestChanged(number=number, url=f"http://x/pulls/{number}", title=title)
        return self.opened[key]


def _whole(changes: Sequence[FileEdited], tree: str, base: str) -> DiffSnapshot:
    files = [DiffSnapshot.File(path=c.path, added=c.added, removed=c.removed, kind=c.kind) for c in changes]
    added, removed = sum(c.added for c in changes), sum(c.removed for c in changes)
    return DiffSnapshot(files=files, added=added, removed=removed, total_files=len(files), tree=tree, base_tree=base)


def _change(name: str, before: str | None, after: str | None) -> FileEdited:
    old, new = (before or "").splitlines(), (after or "").splitlines()
    diff = list(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))
    kind = FileEdited.KIND_MODIFIED
    if before is None or after is None:
        kind = FileEdited.KIND_ADDED if before is None else FileEdited.KIND_DELETED
    return FileEdited(
        path=name,
        kind=kind,
        unified_diff="\n".join(diff),
        added=sum(line.startswith("+") for line in diff[2:]),
        removed=sum(line.startswith("-") for line in diff[2:]),
    )
