"""What the sessions service needs from outside, and the frozen bundle of it."""

from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lucid.sessions.v1.event_pb2 import Event, ItemCursor, NetworkMode, PullRequestChanged

from services.sessions.domain.conversation import ModelRequest, Piece, UsagePiece
from services.sessions.domain.environment import Environment
from services.sessions.domain.models import Change, Confirmation, Lease, Leftover, Repository, Request, SessionRecord
from services.sessions.domain.work import (
    CommandFrame,
    CommandLog,
    Confinement,
    DiffForm,
    DiffPart,
    FileContent,
    FileEdit,
    Found,
    Gate,
    Happened,
    LogPart,
    Push,
    Restored,
    RestoredWork,
    Snapshot,
    Sought,
    Surroundings,
)

Transition = Callable[[SessionRecord], Change]
"""Decides, on the locked row inside the storing transaction, what happens. Raises a LucidError to refuse."""


class EventStore(Protocol):
    """Sessions and their logs. Durable before it answers; one gapless order per session."""

    async def create(self, record: SessionRecord, request_id: str, change: Change) -> SessionRecord:
        """Stores a new session with its first events; the same (owner, request_id) answers the first one."""

    async def get(self, session_id: str) -> SessionRecord:
        """Raises SessionNotFound."""

    async def list_sessions(
        self, owner_id: str, before: tuple[float, str] | None, limit: int, query: str
    ) -> list[SessionRecord]:
        """Most recently changed first; `before` is the (update_time, session_id) of the last one seen."""

    async def delete(self, session_id: str) -> None:
        """Removes the session with its log, and remembers in the same step that gate and sandbox have to go."""

    async def take_leftovers(self, limit: int) -> list[Leftover]:
        """Deleted sessions whose gate and sandbox are to be removed now. Each comes again until it is forgotten."""

    async def forget_leftover(self, session_id: str) -> None:
        """Gate and sandbox are surely gone."""

    async def apply(self, session_id: str, transition: Transition, lease: Lease | None = None) -> list[Event]:
        """Runs a transition and answers its events as stored. Raises SessionNotFound, Fenced, or what it raises."""

    async def read(self, session_id: str, after: int, upto: int, limit: int) -> list[tuple[int, bytes]]:
        """(seq, stored bytes) with after < seq <= upto, in order, at most `limit`."""

    async def find(self, session_id: str, key: str) -> Event | None:
        """The event stored under a key."""

    async def cursor(self, name: str) -> int:
        """How far what another service tells in order was read; 0 at the beginning."""

    async def move_cursor(self, name: str, before: int, number: int) -> None:
        """Goes on from `before`; nothing where another replica has moved it since."""

    async def environment(self, owner_id: str, repository: Repository) -> Environment:
        """What the owner has set for their sessions on a repository; NOTHING where nothing was set."""

    async def save_environment(self, owner_id: str, repository: Repository, wanted: Environment) -> None:
        """In place of what was set; NOTHING removes it."""

    async def count_active(self) -> int:
        """How many sessions have a turn open."""

    async def claim(self, worker: str, limit: int, held: Collection[str] = ()) -> list[SessionRecord]:
        """Takes over sessions that are wanted, or whose time to wake has come, and whose lease is free, has run out or
        is the worker's own, each with a new epoch; not those `held`."""

    async def take(self, worker: str, session_id: str) -> SessionRecord | None:
        """Takes one session over, with a new epoch, that has no work to do and no owner; None where it has."""

    async def heads(self, session_ids: Collection[str]) -> dict[str, int]:
        """The last number of each session's log; those that are gone are missing."""

    async def release(self, worker: str) -> None:
        """Gives all leases of a worker back at once."""

    async def renew(self, worker: str, session_ids: Sequence[str]) -> dict[str, Request]:
        """Extends leases; answers those still ours with what is requested of them."""

    async def save_progress(self, items: Mapping[tuple[str, str, int], bytes]) -> None:
        """Check-points the bytes of open items by (session_id, item_id, channel)."""

    async def load_progress(self, session_id: str) -> dict[tuple[str, int], bytes]:
        """The last check-points."""


class LiveHub(Protocol):
    """What is in progress: open items' bytes and the wake-ups of watchers."""

    def open(self, session_id: str, item_id: str, channel: int, data: bytes = b"") -> None:
        """An item begins (or is taken up again with the bytes it has)."""

    def write(self, session_id: str, item_id: str, channel: int, offset: int, data: bytes) -> None:
        """Bytes of an open item; those it has already are not sent twice."""

    def content(self, session_id: str, item_id: str, channel: int) -> bytes:
        """What the item has so far."""

    def adopt(self, session_id: str, seq: int, started: Iterable[tuple[Event, bytes]]) -> None:
        """A new owner tells where the log stands and which items are open in it."""

    def texts(self, session_id: str) -> dict[tuple[str, int], bytes]:
        """The open texts of a session by (item_id, channel)."""

    def drop(self, session_id: str) -> None:
        """The owner has let go: what is in progress here is in progress no more."""

    def watch(
        self, session_id: str, epoch: int, after_seq: int, items: Sequence[ItemCursor], last_n: int, durable_only: bool
    ) -> AsyncGenerator[bytes, None]:
        """Serialised WatchEventsResponse messages. Raises SessionNotFound, CursorBeyondEnd, Resync."""


class LanguageModel(Protocol):
    """One provider's models."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """Pieces as they come, a StopPiece last. Raises ModelFailure; a stream that breaks off is one too."""


class Models(Protocol):
    """The models of this installation."""

    @property
    def default(self) -> str:
        """`provider/model`, or `demo`."""

    @property
    def fallback(self) -> str:
        """The model that stands in where a session names none; empty = none."""

    def names(self) -> tuple[str, ...]:
        """Those to choose from, the default first."""

    def check(self, model: str, has_own_key: bool) -> None:
        """Raises UnknownModel or NoModelKey."""

    def open(self, model: str) -> LanguageModel:
        """The adapter that serves the model."""

    def price(self, model: str, usage: UsagePiece) -> UsagePiece:
        """The usage with its cost, where the model's price is known."""


class Workspace(Protocol):
    """The sandbox of one session. Raises ToolFailure for a refusal, ConnectionError while it cannot be reached."""

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        """Makes it, or brings it back on its kept workspace. Safe to repeat."""

    async def images(self) -> tuple[str, ...]:
        """Those that may be asked for, the default first; `*` stands for any characters. Empty: there are none."""

    async def configure(self, record: SessionRecord, image: str, variables: Mapping[str, str]) -> Surroundings:
        """Gives it another image (empty: the default one) and other variables. Where that changes anything it is made
        again on its kept workspace. Safe to repeat."""

    async def queue_position(self, record: SessionRecord) -> int:
        """At which place it waits for its start, from 1; 0 where it does not wait, or nobody can tell."""

    def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = "", background: bool = False
    ) -> AsyncGenerator[CommandFrame, None]:
        """Starts a command at most once per key, or attaches to it; CommandBegun first, CommandEnded last.

        In the `background` it ends as DETACHED as soon as it runs.
        """

    async def read_log(self, record: SessionRecord, key: str, part: LogPart) -> CommandLog:
        """A part of a command's output, while the sandbox lives."""

    async def stop(self, record: SessionRecord, key: str) -> None:
        """Ends a command (empty key: all of them) with every process it started."""

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        """A file or a range of it."""

    async def search(self, record: SessionRecord, sought: Sought) -> Found:
        """Where something is; it changes nothing."""

    async def edit(self, record: SessionRecord, key: str, path: str, edit: FileEdit) -> None:
        """Changes a file at most once per key."""

    async def snapshot(self, record: SessionRecord, path: str, since: str, base: str = "") -> Snapshot:
        """The tree under `path` and what changed since an earlier tree; and since a base, without patches."""

    def diff(
        self, record: SessionRecord, path: str, before: str, after: str, paths: Sequence[bytes], form: DiffForm
    ) -> AsyncGenerator[DiffPart, None]:
        """What is different between two trees, in parts; the totals last."""

    async def restore(self, record: SessionRecord, key: str, path: str, tree: str) -> Restored:
        """Makes the files those of a tree at most once per key."""

    async def restore_checkpoint(self, record: SessionRecord, key: str, checkpoint_id: str) -> RestoredWork:
        """Applies what was saved of the work to fresh clones, at most once per key."""

    async def happened(self, after: int) -> tuple[list[Happened], int]:
        """What happened to the sandboxes of all sessions, beyond a number, in order; and the highest number of all."""

    async def delete(self, record: SessionRecord) -> None:
        """Removes sandbox and workspace. Safe to repeat."""


class Forge(Protocol):
    """Integrations. Raises ToolFailure for a refusal, ConnectionError while it cannot be reached."""

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        """The repository that a name or a pasted address means, if the owner can read it. Raises LucidError."""

    async def open_gate(self, record: SessionRecord) -> Gate:
        """Opens the gate to the session's repository. Safe to repeat."""

    async def close_gate(self, record: SessionRecord) -> None:
        """Closes it. Safe to repeat."""

    async def pushes(self, record: SessionRecord, after: int) -> list[Push]:
        """Accepted pushes after a number."""

    async def open_pull_request(
        self, record: SessionRecord, key: str, title: str, body: str, draft: bool
    ) -> PullRequestChanged:
        """Opens the session's pull request at most once per key, or adopts the open one."""


class Clock(Protocol):
    """Waiting; injected so that tests need not wait."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary point; for durations only."""


class Signals(Protocol):
    """Tells this process's runner at once what it would otherwise find out by looking."""

    def wanted(self) -> None:
        """A session has work to do."""

    def stop(self, session_id: str) -> None:
        """A stop was requested."""

    def pause(self, session_id: str) -> None:
        """A pause was requested."""

    def deleted(self, session_id: str) -> None:
        """The session is gone."""


class Bus(Protocol):
    """Carries messages between the replicas of this service. Any of them may be lost or late; nothing is kept."""

    async def send(self, messages: Sequence[tuple[str, bytes]]) -> list[int]:
        """Publishes (topic, data) in order; how many have got each. Raises ConnectionError: any of it may be lost."""

    def listen(self, topics: Sequence[str]) -> AsyncGenerator[bytes, None]:
        """What is published from now on, after one empty message that says so. Raises ConnectionError."""

    async def close(self) -> None:
        """Ends the connections."""


class Sealer(Protocol):
    """Keeps secrets unreadable at rest."""

    def seal(self, owner_id: str, secret: str) -> str:
        """The sealed form."""

    def open(self, owner_id: str, sealed: str) -> str:
        """The secret. Raises ValueError if it was altered or belongs to another owner."""


@dataclass(frozen=True)
class Limits:
    """What bounds a turn. Times in seconds.

    `question_timeout`: after it the agent goes on without an answer; 0 = never. `confirmation`: of sessions that choose
    none; DEFAULT = by what confines the sandbox. `session_budget_micros`: money for a session's model calls, millionths
    of a US dollar; 0 = no bound. Money, iterations and working time are what a session may use before it asks for more.
    `network`: the most that a session may ask for.
    """

    max_iterations: int = 50
    conversation_timeout: float = 1800.0
    command_timeout: float = 600.0
    model_retries: int = 4
    first_token_timeout: float = 300.0
    between_tokens_timeout: float = 120.0
    context_window: int = 0
    compact_at: float = 0.8
    question_timeout: float = 0.0
    confirmation: Confirmation = Confirmation.DEFAULT
    session_budget_micros: int = 0
    network: NetworkMode.ValueType = NetworkMode.NETWORK_MODE_LIST


@dataclass(frozen=True)
class Ports:
    """Everything a use case or the agent may touch. `title_model`: makes titles; empty = the session's own where the
    task's first line is too long for one, `none` = no model does."""

    store: EventStore
    live: LiveHub
    models: Models
    workspace: Workspace
    forge: Forge
    clock: Clock
    sealer: Sealer
    signals: Signals
    limits: Limits
    title_model: str = ""
