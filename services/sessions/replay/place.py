"""The sandbox and the git service of a replay: each answers with what was recorded next."""

import re
import shlex
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence

from lucid.sessions.v1.event_pb2 import (
    CommandCompleted,
    Error,
    Event,
    PullRequestChanged,
    SandboxChanged,
    StatusChanged,
    ToolCallCompleted,
)

from services.sessions.agent.arguments import plain
from services.sessions.agent.repetition import NO_OUTPUT
from services.sessions.domain.environment import CONFIG_FILE
from services.sessions.domain.models import Repository, SessionRecord
from services.sessions.domain.state import TRANSITION
from services.sessions.domain.work import (
    CommandBegun,
    CommandBlocked,
    CommandEnded,
    CommandFrame,
    CommandLog,
    CommandOutput,
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
    ToolFailure,
)
from services.sessions.replay.found import found_again
from services.sessions.replay.recording import is_persons
from services.sessions.replay.script import NotRecorded, Script
from services.sessions.replay.surroundings import next_surroundings

_CLONE = re.compile(r" -- (\S+|'[^']*') ")
_LINE = re.compile(r"^ *(\d+)\t(.*)$")
_LINES = re.compile(r"^\[lines \d+ to \d+ of (\d+)\]$")
_EMPTY = re.compile(r" has (\d+) lines; there is nothing at line \d+\.$")
_BINARY = re.compile(r" is a binary file of (\d+) bytes\.$")


class PlayedPlace:
    """Workspace and Forge."""

    def __init__(self, script: Script, gate: Gate | None) -> None:
        self._script = script
        self._gate = gate
        self._begun: set[str] = set()

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        """As it was made then."""
        for event in self._script.ahead():
            if event.HasField("sandbox_changed"):
                made = event.sandbox_changed
                rebuilt = made.state == SandboxChanged.STATE_REBUILT
                kept = made.workspace_kept or (rebuilt and not made.workspace_id)
                saved = self._restored()
                return Confinement(
                    level=made.reason,
                    image=made.image,
                    workspace="",
                    workspace_kept=kept,
                    network=made.network,
                    allowed=tuple(made.allowed_hosts),
                    lacks=tuple(made.lacks),
                    warm=made.warm,
                    workspace_id=made.workspace_id,
                    checkpoint_id=saved.sandbox_changed.checkpoint_id if rebuilt and not kept and saved else "",
                    transition_id=event.labels.get(TRANSITION, ""),
                )
            if event.HasField("error"):
                raise _refusal(event.error)
            if not is_persons(event) and not event.HasField("status_changed"):
                break
        return Confinement("", "", "", True, created=False)

    def _restored(self) -> Event | None:
        """What was brought back before the agent went on."""
        for event in self._script.ahead():
            if event.sandbox_changed.state == SandboxChanged.STATE_RESTORED:
                return event
            if event.status_changed.phase == StatusChanged.PHASE_RUNNING:
                break
        return None

    async def restore_checkpoint(self, record: SessionRecord, key: str, checkpoint_id: str) -> RestoredWork:
        """As it was then."""
        event = self._restored()
        if event is None:
            raise NotRecorded("a checkpoint")
        told = event.sandbox_changed
        return RestoredWork(checkpoint_id, event.labels.get(TRANSITION, ""), told.commits, told.files, told.reason)

    async def happened(self, after: int) -> tuple[list[Happened], int]:
        """Nothing comes beside a replay."""
        return [], 0

    async def images(self) -> tuple[str, ...]:
        """Any: what was asked for then was allowed."""
        return ("*",)

    async def configure(self, record: SessionRecord, image: str, variables: Mapping[str, str]) -> Surroundings:
        """As it was made then."""
        found = next_surroundings(self._script.ahead())
        return Surroundings(image, False) if found is None else Surroundings(found.sandbox_changed.image, True)

    async def queue_position(self, record: SessionRecord) -> int:
        """It does not wait."""
        return 0

    async def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = "", background: bool = False
    ) -> AsyncGenerator[CommandFrame, None]:
        """The recorded output and end of the command that is next to end."""
        end = self._script.next_of("command_completed")
        if end is None:
            await self._script.hang()
            raise NotRecorded("the end of a command")
        completed = end.command_completed
        attached = key in self._begun
        self._begun.add(key)
        yield CommandBegun("", attached)
        if completed.head:
            yield CommandOutput(0, completed.head)
        for event in self._script.ahead():
            if event.HasField("network_blocked") and event.parent_item_id == end.item_id:
                yield CommandBlocked(event.network_blocked)
            if event is end:
                break
        if self._script.stops_before(end) and completed.reason == CommandCompleted.REASON_STOPPED and not attached:
            await self._script.hang()
        yield CommandEnded(completed)

    async def read_log(self, record: SessionRecord, key: str, part: LogPart) -> CommandLog:
        """A log that shows as it did then."""
        result = self._script.result_of_call()
        if result is None:
            raise NotRecorded("a command's output")
        self._refuse(result)
        return _log(result.tool_call_completed)

    async def stop(self, record: SessionRecord, key: str) -> None:
        """Nothing runs."""

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        """A file that shows as it did then; a preview is made of what was shown then."""
        if path.endswith(CONFIG_FILE):  # what it said is asked for by the session
            raise ToolFailure("FILE_NOT_FOUND", "")
        result = self._script.result_of_call()
        if result is None:
            raise NotRecorded("a file")
        self._refuse(result)
        return _file(result.tool_call_completed.result_text)

    async def search(self, record: SessionRecord, sought: Sought) -> Found:
        """What was found then."""
        result = self._script.result_of_call()
        if result is None:
            raise NotRecorded("a search")
        self._refuse(result)
        workdir = "" if self._gate is None else self._gate.full_name.rsplit("/", 1)[-1]
        return found_again(result.tool_call_completed, sought.names, workdir)

    async def edit(self, record: SessionRecord, key: str, path: str, edit: FileEdit) -> None:
        """As it went then."""
        result = self._script.result_of_call()
        if result is None:
            raise NotRecorded("an edit")
        self._refuse(result)

    def _refuse(self, result: Event) -> None:
        done = result.tool_call_completed
        reason = done.result.fields["reason"].string_value if "reason" in done.result.fields else ""
        if not done.ok and reason:
            raise ToolFailure(reason, done.result_text)

    async def snapshot(self, record: SessionRecord, path: str, since: str, base: str = "") -> Snapshot:
        """The recorded changes of the call that is being run; the base tree for the first one."""
        if not since:
            first = self._script.next_of("checkpoint_created")
            if first is None:
                raise NotRecorded("the first snapshot")
            return Snapshot(first.checkpoint_created.tree, (), first.checkpoint_created.commit)
        changes = [event.file_edited for event in self._of_this_call("file_edited")]
        reload = any(event.file_tree_changed.reload for event in self._of_this_call("file_tree_changed"))
        whole = next((event.diff_snapshot for event in self._of_this_call("diff_snapshot")), None)
        return Snapshot(changes[-1].tree_after if changes else since, tuple(changes), "", reload, whole)

    def _of_this_call(self, kind: str) -> Iterator[Event]:
        for event in self._script.ahead():
            if event.WhichOneof("payload") == kind:
                yield event
            elif (
                event.HasField("tool_call_completed")
                or event.HasField("turn_completed")
                or event.status_changed.phase == StatusChanged.PHASE_RUNNING
            ):
                return

    async def diff(
        self, record: SessionRecord, path: str, before: str, after: str, paths: Sequence[bytes], form: DiffForm
    ) -> AsyncGenerator[DiffPart, None]:
        """Nobody asks the replayed agent's files."""
        nothing: tuple[DiffPart, ...] = ()
        for part in nothing:
            yield part
        raise NotRecorded("a difference")

    async def restore(self, record: SessionRecord, key: str, path: str, tree: str) -> Restored:
        """What a person has put back is in the log as they did it."""
        raise NotRecorded("a rewind")

    async def delete(self, record: SessionRecord) -> None:
        """There is nothing."""

    async def resolve(self, owner_id: str, wanted: Repository) -> Repository:
        """As recorded."""
        return wanted

    async def open_gate(self, record: SessionRecord) -> Gate:
        """As recorded, or refused as then."""
        for event in self._script.ahead():
            if event.HasField("error") and self._gate is None:
                raise _refusal(event.error)
        if self._gate is None:
            raise NotRecorded("the repository's address")
        return self._gate

    async def close_gate(self, record: SessionRecord) -> None:
        """There is none."""

    async def pushes(self, record: SessionRecord, after: int) -> list[Push]:
        """Those recorded with the call that is being run."""
        found = []
        for event in self._of_this_call("branch_pushed"):
            pushed = event.branch_pushed
            number = int(event.labels.get("push", after + 1))
            found.append(Push(number, pushed.provider, pushed.repo, pushed.branch, pushed.commit))
        return found

    async def open_pull_request(
        self, record: SessionRecord, key: str, title: str, body: str, draft: bool
    ) -> PullRequestChanged:
        """The recorded one."""
        for event in self._of_this_call("pull_request_changed"):
            return event.pull_request_changed
        result = self._script.result_of_call()
        if result is not None:
            self._refuse(result)
        raise NotRecorded("a pull request")


def gate_of(events: tuple[Event, ...], repository: Repository | None) -> Gate | None:
    """The gate, as far as the recorded clone tells of it."""
    for event in events:
        if event.HasField("command_started") and not event.parent_item_id:
            found = _CLONE.search(event.command_started.command)
            if found and repository is not None:
                address = shlex.split(found.group(1))[0]
                return Gate(repository.provider, repository.full_name, address, "", repository.url, "", ())
    return None


def _refusal(error: Error) -> ToolFailure:
    return ToolFailure(error.code, error.message)


def _log(done: ToolCallCompleted) -> CommandLog:
    """What the tool has made its text of: the output stands between the first line and the last."""
    facts = plain(done.result)
    shown = "\n".join(done.result_text.split("\n")[1:-1])
    data = b"" if shown == NO_OUTPUT else shown.encode().replace("\ufffd".encode(), b"\xff")
    data = data.ljust(facts["end"] - facts["offset"], b"\n")
    ended = None
    if not facts["running"]:
        ended = CommandCompleted(reason=CommandCompleted.Reason.ValueType(facts["reason_number"]))
        if "exit_code" in facts:
            ended.exit_code = facts["exit_code"]
        elif "signal" in facts:
            ended.signal = facts["signal"]
    return CommandLog(data, facts["offset"], facts["total_bytes"], ended, facts["processes"])


def _file(shown: str) -> FileContent:
    """Bytes that are shown as this text; for what was cut out of a long one there is no way back."""
    if found := _BINARY.search(shown):
        return FileContent(b"\0", int(found.group(1)))
    if found := _EMPTY.search(shown):
        data = b"\n" * int(found.group(1))
        return FileContent(data, len(data))
    lines: dict[int, str] = {}
    total = 0
    for line in shown.split("\n"):
        if numbered := _LINE.match(line):
            lines[int(numbered.group(1))] = numbered.group(2)
        elif noted := _LINES.match(line):
            total = int(noted.group(1))
    last = max(total, *lines, 0) if lines else total
    data = "".join(f"{lines.get(number, '')}\n" for number in range(1, last + 1)).encode()
    return FileContent(data, len(data))
