"""The agent's surroundings, in memory and by hand: a log, live bytes, a workspace and a forge in one.

Each can be told to fail: `Log.crash_at` dies at an append, `Place.away` cannot be reached, the model's script may hold
failures instead of answers.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, cast

from lucid.sessions.v1.event_pb2 import (
    ApprovalResolved,
    CommandCompleted,
    Event,
    NetworkBlocked,
    PullRequestChanged,
    TurnStarted,
    UserMessage,
)

from services.rpc.ids import new_id
from services.sessions.agent.journal import Journal
from services.sessions.domain.errors import Fenced
from services.sessions.domain.models import Change, Draft, Lease, Repository, SessionRecord, State
from services.sessions.domain.waiting import FOLLOWED, NOTHING, followed
from services.sessions.domain.work import (
    CommandBegun,
    CommandBlocked,
    CommandEnded,
    CommandFrame,
    CommandOutput,
    Confinement,
    CreateFile,
    FileContent,
    FileEdit,
    Gate,
    Happened,
    Push,
    ReplaceText,
    Restored,
    Snapshot,
    ToolFailure,
)
from services.sessions.ports import EventStore, Limits, LiveHub, Ports, Signals
from tests.fakes.file_change import file_change
from tests.fakes.images import Images
from tests.fakes.scripted_model import Model, OneModel, Script

SESSION = "ses_01TEST000000000000000000"
REPOSITORY = Repository(provider="local", full_name="lucid/teatime", url="http://localhost/lucid/teatime")


class Crash(BaseException):
    """The process dies here."""


class Log:
    """One session's log. `crash_at`: the append at which the process dies; `after`: once it is stored."""

    def __init__(self, clock: "FastClock") -> None:
        self.clock = clock
        self.row = SessionRecord(SESSION, "usr_1", "t", "mend it", State.RUNNING, "test/model", "sbx_1")
        self.events: list[Event] = []
        self.changes: list[Change] = []
        self.appends = 0
        self.crash_at = 0
        self.after = False
        self.fenced = False
        self.cursors: dict[str, int] = {}
        self._keys: dict[str, Event] = {}

    async def apply(
        self, session_id: str, transition: Callable[[Any], Change], lease: Lease | None = None
    ) -> list[Event]:
        await asyncio.sleep(0)
        if self.fenced:
            raise Fenced
        self.appends += 1
        if self.appends == self.crash_at and not self.after:
            raise Crash
        change = transition(self._row())
        self.changes.append(change)
        stored = [self._store(draft) for draft in change.drafts]
        if self.appends == self.crash_at:
            raise Crash
        return stored

    def _row(self) -> SessionRecord:
        """What a storing transaction sees."""
        waiting = NOTHING
        for event in self.events:
            if event.WhichOneof("payload") in FOLLOWED:
                waiting = followed(waiting, event)
        return replace(self.row, seq=len(self.events), now=self.clock.now, turn_open=True, waiting=waiting)

    def _store(self, draft: Draft) -> Event:
        if draft.key and draft.key in self._keys:
            return self._keys[draft.key]
        event = Event()
        event.CopyFrom(draft.event)
        event.seq, event.session_id, event.event_id = len(self.events) + 1, SESSION, new_id("evt")
        event.time.FromMilliseconds(int(self.clock.now * 1000))
        self.events.append(event)
        if draft.key:
            self._keys[draft.key] = event
        return event

    async def read(self, session_id: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        return [(event.seq, event.SerializeToString()) for event in self.events[after : min(upto, after + limit)]]

    async def find(self, session_id: str, key: str) -> Event | None:
        return self._keys.get(key)

    async def cursor(self, name: str) -> int:
        return self.cursors.get(name, 0)

    async def move_cursor(self, name: str, before: int, number: int) -> None:
        self.cursors[name] = number

    async def load_progress(self, session_id: str) -> dict[tuple[str, int], bytes]:
        return {}

    def kinds(self) -> list[str]:
        return [event.WhichOneof("payload") or "" for event in self.events]

    def of(self, kind: str) -> list[Any]:
        return [getattr(event, kind) for event in self.events if event.WhichOneof("payload") == kind]


class Live:
    """Bytes of open items, each piece as it came."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, int], bytearray] = {}
        self.writes: list[tuple[str, int, bytes]] = []

    def open(self, session_id: str, item_id: str, channel: int, data: bytes = b"") -> None:
        self.items.setdefault((item_id, channel), bytearray(data))

    def write(self, session_id: str, item_id: str, channel: int, offset: int, data: bytes) -> None:
        item = self.items[item_id, channel]
        fresh = data[max(0, len(item) - offset) :]
        if fresh:
            item += fresh
            self.writes.append((item_id, channel, bytes(fresh)))

    def content(self, session_id: str, item_id: str, channel: int) -> bytes:
        return bytes(self.items.get((item_id, channel), b""))

    def adopt(self, session_id: str, seq: int, started: Iterable[tuple[Event, bytes]]) -> None:
        pass


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
    """Workspace and forge in one. `away`: how many calls cannot reach it; `starts`: keys that really ran."""

    commands: Callable[[str], Ran] = lambda _: Ran(b"ok\n")
    files: dict[str, str] = field(default_factory=dict)
    away: int = 0
    creates: int = 0
    starts: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    cwds: list[str] = field(default_factory=list)
    trees: dict[str, dict[str, str]] = field(default_factory=dict)
    pushed: list[Push] = field(default_factory=list)
    opened: dict[str, PullRequestChanged] = field(default_factory=dict)
    refuse: ToolFailure | None = None
    hang: bool = False
    made: Confinement = Confinement("bubblewrap", "", "/workspace", True)  # noqa: RUF009 frozen
    news: list[Happened] = field(default_factory=list)
    restores: Restored = Restored("", "", 0, 0, "")  # noqa: RUF009 frozen
    restored: list[tuple[str, str]] = field(default_factory=list)
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
        return self.made

    async def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = ""
    ) -> AsyncGenerator[CommandFrame, None]:
        await self._reach()
        attached = key in self.starts
        if not attached:
            self.starts.append(key)
            self.cwds.append(cwd)
            self._ended[key] = self._start(self.commands(command))
        yield CommandBegun("/workspace/teatime", attached)
        ended = self._ended[key]
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

    async def stop(self, record: SessionRecord, key: str) -> None:
        self.hang = False

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        await self._reach()
        data = self._file(path).encode()
        return FileContent(data[: limit or None], len(data))

    def _file(self, path: str) -> str:
        name = path.removeprefix("teatime/")
        if name not in self.files:
            raise ToolFailure("FILE_NOT_FOUND", "There is no such file.")
        return self.files[name]

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

    async def snapshot(self, record: SessionRecord, path: str, since: str) -> Snapshot:
        await self._reach()
        tree = f"tree{abs(hash(tuple(sorted(self.files.items()))))}"
        self.trees[tree] = dict(self.files)
        before = self.trees[since] if since else self.files
        changes = [
            file_change(name, before.get(name), self.files.get(name))
            for name in sorted({*before, *self.files})
            if before.get(name) != self.files.get(name)
        ]
        return Snapshot(tree, tuple(changes), "c" * 40)

    async def restore(self, record: SessionRecord, key: str, checkpoint_id: str) -> Restored:
        await self._reach()
        self.restored.append((key, checkpoint_id))
        return self.restores

    async def happened(self, after: int) -> tuple[list[Happened], int]:
        last = self.news[-1].number if self.news else 0
        return [each for each in self.news if each.number > after], last

    async def delete(self, record: SessionRecord) -> None:
        self.files.clear()

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        await self._reach()
        return wanted

    async def open_gate(self, record: SessionRecord) -> Gate:
        return Gate("local", "lucid/teatime", "http://x/lucid/teatime.git", "main", "http://x", f"lucid/{SESSION}/", ())

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


class FastClock:
    """Waiting takes no time, but is counted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now


class PlainSealer:
    """Seals by reversing; a sealed text that begins with `!` was altered."""

    def seal(self, owner_id: str, secret: str) -> str:
        return secret[::-1]

    def open(self, owner_id: str, sealed: str) -> str:
        if sealed.startswith("!"):
            raise ValueError("altered")
        return sealed[::-1]


class World:
    """Everything around one session, and its journal as the runner would hand it over."""

    def __init__(self, script: Script, place: Place | None = None, limits: Limits | None = None) -> None:
        self.clock = FastClock()
        self.log, self.live = Log(self.clock), Live()
        self.place = place or Place(files={"README.md": "hello\n"})
        self.model = Model(script)
        self.ports = Ports(
            store=cast(EventStore, self.log),
            live=cast(LiveHub, self.live),
            models=cast(Any, OneModel(self.model)),
            workspace=self.place,
            forge=self.place,
            clock=self.clock,
            sealer=PlainSealer(),
            signals=cast(Signals, None),
            limits=limits or Limits(),
        )
        self.record = SessionRecord(
            session_id=SESSION,
            owner_id="usr_1",
            title="t",
            task="mend it",
            state=State.RUNNING,
            model="test/model",
            sandbox_id="sbx_1",
            repository=REPOSITORY,
            confinement="bubblewrap",
        )
        self.log._store(Draft(Event(user_message=UserMessage(text="mend it"))))
        self.start_turn()

    def answer(self, option: str, text: str = "", request: int = -1) -> None:
        """The person's decision on a card; the last one asked."""
        request_id = self.log.of("approval_requested")[request].request_id
        resolved = ApprovalResolved(request_id=request_id, option_id=option, text=text, by="usr_1")
        self.log._store(Draft(Event(approval_resolved=resolved), f"approval:{request_id}"))

    def start_turn(self, text: str = "") -> None:
        """A message, and the turn it starts."""
        if text:
            self.log._store(Draft(Event(user_message=UserMessage(text=text))))
        self.log._store(Draft(Event(turn_id=new_id("trn"), turn_started=TurnStarted(model="test/model"))))

    async def journal(self) -> Journal:
        """A fresh owner's view of the log, with the base tree taken."""
        from services.sessions.agent.prepare import record_base
        from services.sessions.agent.recovery import take_over

        self.live = Live()
        self.ports = replace(self.ports, live=cast(LiveHub, self.live))
        journal = Journal(self.ports, self.record)
        await take_over(journal)
        journal.workdir = "teatime"
        if not journal.state.cloned:
            await record_base(journal)
        return journal
