"""The Workspace port over the sandbox service."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager

import grpc
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import network_pb2
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb
from lucid.sandbox.v1.commands_pb2 import ReadCommandLogRequest
from lucid.sandbox.v1.images_pb2 import ConfigureSandboxRequest, ListImagesRequest
from lucid.sessions.v1.event_pb2 import CommandCompleted, NetworkBlocked, NetworkMode, SandboxChanged

from services.rpc.identity import service_metadata
from services.rpc.status import RemoteError
from services.sandbox.client import SandboxClient
from services.sessions.backends.file_diffs import edited, part_of, restored_of, whole_of
from services.sessions.backends.refusals import in_our_words
from services.sessions.domain.models import SessionRecord
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
    ReplaceText,
    Restored,
    RestoredWork,
    SearchEnd,
    Snapshot,
    Sought,
    Surroundings,
    ToolFailure,
)

COMMITTER = ("Lucid AI", "agent@lucid.ai")
_GONE = frozenset({"SANDBOX_NOT_FOUND", "SANDBOX_UNAVAILABLE"})


class SandboxWorkspace:
    """Calls as the service itself, on behalf of the session's owner.

    The sandbox service brings back by itself what it can. A sandbox that cannot be had now is a ConnectionError: the
    caller makes it again, as it has to be made, and repeats the call.
    """

    def __init__(self, channel: grpc.aio.Channel, internal_key: str) -> None:
        self._client = SandboxClient(channel)
        self._key = internal_key

    def _for(self, record: SessionRecord) -> SandboxClient:
        return self._client.acting_as(service_metadata(self._key, record.owner_id))

    async def create(self, record: SessionRecord, gate: Gate | None) -> Confinement:
        """Makes it, or brings it back on its kept workspace."""
        request = _create_request(record, gate)
        with in_our_words():
            answer = await self._for(record).create_sandbox(request)
        level = pb.Sandbox.Confinement.Name(answer.sandbox.confinement).removeprefix("CONFINEMENT_").lower()
        return Confinement(
            level,
            answer.sandbox.image,
            answer.sandbox.workspace,
            answer.workspace_kept,
            answer.created,
            # The two enums agree in their numbers.
            NetworkMode.ValueType(int(answer.sandbox.network.mode)),
            tuple(answer.sandbox.network.allowed),
            tuple(answer.sandbox.lacks),
            warm=answer.warm,
            workspace_id=answer.sandbox.workspace_id,
            transition_id=answer.transition_id,
            checkpoint_id=answer.checkpoint_id,
        )

    async def images(self) -> tuple[str, ...]:
        """Those that may be asked for."""
        client = self._client.acting_as(service_metadata(self._key, "sessions"))
        with in_our_words():
            return tuple((await client.list_images(ListImagesRequest())).images)

    async def configure(self, record: SessionRecord, image: str, variables: Mapping[str, str]) -> Surroundings:
        """Gives it another image and other variables."""
        request = ConfigureSandboxRequest(
            sandbox_id=record.sandbox_id, image=image, env=variables, epoch=record.lease_epoch
        )
        with _brought_back():
            answer = await self._for(record).configure_sandbox(request)
        return Surroundings(answer.image, answer.remade, answer.transition_id)

    async def queue_position(self, record: SessionRecord) -> int:
        """At which place it waits for its start, from 1; 0 where it does not wait, or nobody can tell."""
        try:
            answer = await self._for(record).get_sandbox(pb.GetSandboxRequest(sandbox_id=record.sandbox_id))
        except RemoteError:
            return 0
        return answer.sandbox.queue_position

    async def run(
        self, record: SessionRecord, key: str, command: str, timeout_ms: int, cwd: str = "", background: bool = False
    ) -> AsyncGenerator[CommandFrame, None]:
        """Starts a command at most once per key, or attaches to it; CommandBegun first, CommandEnded last."""
        request = pb.RunCommandRequest(
            sandbox_id=record.sandbox_id,
            command_id=key,
            command=command,
            timeout_ms=timeout_ms,
            cwd=cwd,
            epoch=record.lease_epoch,
            background=background,
        )
        with _brought_back():
            async with aclosing(self._for(record).run_command(request)) as answers:
                async for answer in answers:
                    yield _frame(answer)

    async def read_log(self, record: SessionRecord, key: str, part: LogPart) -> CommandLog:
        """A part of a command's output."""
        request = ReadCommandLogRequest(sandbox_id=record.sandbox_id, command_id=key, wait_ms=part.wait_ms)
        if part.offset is None:
            request.last_bytes = part.limit
        else:
            request.offset, request.limit = part.offset, part.limit
        with _brought_back():
            found = await self._for(record).read_command_log(request)
        ended = _completed(found.command.exit) if found.command.HasField("exit") else None
        return CommandLog(found.data, found.offset, found.total_bytes, ended, found.command.processes)

    async def stop(self, record: SessionRecord, key: str) -> None:
        """Ends a command (empty key: all of them) with every process it started."""
        request = pb.StopCommandRequest(sandbox_id=record.sandbox_id, command_id=key)
        with in_our_words():
            await self._for(record).stop_command(request)

    async def read(self, record: SessionRecord, path: str, offset: int = 0, limit: int = 0) -> FileContent:
        """A file or a range of it."""
        request = pb.ReadFileRequest(sandbox_id=record.sandbox_id, path=path, offset=offset, limit=limit)
        with _brought_back():
            answer = await self._for(record).read_file(request)
        return FileContent(answer.data, answer.size)

    async def search(self, record: SessionRecord, sought: Sought) -> Found:
        """Where something is."""
        request, lines, done = _search_request(record, sought), list[FoundLine](), None
        with _brought_back():
            async with aclosing(self._for(record).search_files(request)) as answers:
                async for answer in answers:
                    lines += [_found_line(match) for match in answer.matches.matches]
                    done = answer.done if answer.HasField("done") else None
        if done is None:
            raise ConnectionError("The search broke off.")
        reason = fpb.SearchFilesResponse.Done.Reason.Name(done.reason).removeprefix("REASON_")
        return Found(tuple(lines), SearchEnd(reason), done.files, done.skipped)

    async def edit(self, record: SessionRecord, key: str, path: str, edit: FileEdit) -> None:
        """Changes a file at most once per key."""
        request = pb.EditFileRequest(sandbox_id=record.sandbox_id, edit_id=key, path=path, epoch=record.lease_epoch)
        if isinstance(edit, CreateFile):
            request.create.content, request.create.overwrite = edit.content, edit.overwrite
            request.create.SetInParent()
        elif isinstance(edit, ReplaceText):
            request.replace.old_text, request.replace.new_text = edit.old_text, edit.new_text
        else:
            request.insert.after_line, request.insert.text = edit.after_line, edit.text
            request.insert.SetInParent()
        with _brought_back():
            await self._for(record).edit_file(request)

    async def snapshot(self, record: SessionRecord, path: str, since: str, base: str = "") -> Snapshot:
        """The tree under `path` and what changed since an earlier tree; and since a base, without patches."""
        request = pb.CreateSnapshotRequest(
            sandbox_id=record.sandbox_id,
            path=path,
            since_tree=since,
            base_tree=base,
            label="" if since else "base",
            epoch=record.lease_epoch,
        )
        with _brought_back():
            answer = await self._for(record).create_snapshot(request)
        whole = whole_of(answer.since_base, answer.tree, base) if answer.HasField("since_base") else None
        return Snapshot(answer.tree, edited(answer.changes), answer.head_commit, answer.truncated, whole)

    async def diff(
        self, record: SessionRecord, path: str, before: str, after: str, paths: Sequence[bytes], form: DiffForm
    ) -> AsyncGenerator[DiffPart, None]:
        """What is different between two trees, in parts; the totals last."""
        request = spb.DiffSnapshotsRequest(
            sandbox_id=record.sandbox_id,
            path=path,
            from_tree=before,
            to_tree=after,
            paths=paths,
            form=spb.DiffSnapshotsRequest.Form.Value(form.value),
        )
        with _brought_back():
            async with aclosing(self._for(record).diff_snapshots(request)) as answers:
                async for answer in answers:
                    yield part_of(answer)

    async def restore(self, record: SessionRecord, key: str, path: str, tree: str) -> Restored:
        """Makes the files those of a tree at most once per key."""
        request = spb.RestoreSnapshotRequest(
            sandbox_id=record.sandbox_id, restore_id=key, path=path, tree=tree, epoch=record.lease_epoch
        )
        with _brought_back():
            return restored_of(await self._for(record).restore_snapshot(request))

    async def restore_checkpoint(self, record: SessionRecord, key: str, checkpoint_id: str) -> RestoredWork:
        """Applies what was saved of the work to fresh clones, at most once per key."""
        request = lpb.RestoreCheckpointRequest(
            sandbox_id=record.sandbox_id, checkpoint_id=checkpoint_id, restore_id=key, epoch=record.lease_epoch
        )
        with _brought_back():
            answer = await self._for(record).restore_checkpoint(request)
        return RestoredWork(checkpoint_id, answer.transition_id, answer.commits, answer.files, "; ".join(answer.failed))

    async def happened(self, after: int) -> tuple[list[Happened], int]:
        """What happened to the sandboxes of all sessions, beyond a number, in order; and the highest number of all."""
        client = self._client.acting_as(service_metadata(self._key, ""))
        with in_our_words():
            answer = await client.list_transitions(lpb.ListTransitionsRequest(after=after))
        return [_happened(each) for each in answer.transitions], answer.last

    async def delete(self, record: SessionRecord) -> None:
        """Removes sandbox and workspace."""
        with in_our_words():
            try:
                await self._for(record).delete_sandbox(pb.DeleteSandboxRequest(sandbox_id=record.sandbox_id))
            except RemoteError as error:
                # A session that never got as far as a sandbox has none to remove.
                if error.reason != "SANDBOX_NOT_FOUND":
                    raise


@contextmanager
def _brought_back() -> Iterator[None]:
    try:
        with in_our_words():
            yield
    except ToolFailure as failure:
        if failure.reason in _GONE:
            raise ConnectionError(failure.message) from failure
        raise


def _create_request(record: SessionRecord, gate: Gate | None) -> pb.CreateSandboxRequest:
    name, email = record.git_user_name or COMMITTER[0], record.git_user_email or COMMITTER[1]
    own = [("user.name", name), ("user.email", email), ("init.defaultBranch", "main"), ("core.pager", "cat")]
    pairs = [*own, *(gate.git_config if gate else ())]
    return pb.CreateSandboxRequest(
        sandbox_id=record.sandbox_id,
        owner_id=record.owner_id,
        session_id=record.session_id,
        image=record.environment.image,
        env=record.environment.variables,
        git_config=[pb.GitConfigEntry(key=key, value=value) for key, value in pairs],
        epoch=record.lease_epoch,
        network=network_pb2.NetworkMode.ValueType(record.network),
    )


def _search_request(record: SessionRecord, sought: Sought) -> fpb.SearchFilesRequest:
    target = fpb.SearchFilesRequest.TARGET_NAMES if sought.names else fpb.SearchFilesRequest.TARGET_CONTENT
    return fpb.SearchFilesRequest(
        sandbox_id=record.sandbox_id,
        path=sought.path,
        query=sought.query,
        target=target,
        regex=sought.regex,
        ignore_case=sought.ignore_case,
        globs=sought.globs,
        include_hidden=sought.hidden,
        max_results=sought.limit,
        time_limit_ms=sought.time_ms,
    )


def _found_line(match: fpb.SearchFilesResponse.Match) -> FoundLine:
    return FoundLine(match.path, match.line, match.text) if match.line else FoundLine(match.path)


def _frame(answer: pb.RunCommandResponse) -> CommandFrame:
    match answer.WhichOneof("frame"):
        case "started":
            return CommandBegun(answer.started.cwd, answer.started.attached)
        case "output":
            return CommandOutput(answer.output.offset, answer.output.data)
        case "blocked":
            return CommandBlocked(_blocked(answer.blocked))
        case _:
            return CommandEnded(_completed(answer.exit), answer.exit.left_running)


def _blocked(call: network_pb2.BlockedCall) -> NetworkBlocked:
    return NetworkBlocked(
        host=call.host,
        port=call.port,
        # The two enums agree in their numbers.
        reason=NetworkBlocked.Reason.ValueType(int(call.reason)),
        command_item_id=call.command_id,
        allowed=call.allowed,
    )


def _completed(end: pb.RunCommandResponse.Exit) -> CommandCompleted:
    completed = CommandCompleted(
        # The two enums agree in their numbers (proto files of both services).
        reason=CommandCompleted.Reason.ValueType(int(end.reason)),
        duration_ms=end.duration_ms,
        total_bytes=end.total_bytes,
        truncated=end.truncated,
        head=end.head,
        tail=end.tail,
        cwd_after=end.cwd_after,
    )
    if end.HasField("exit_code"):
        completed.exit_code = end.exit_code
    elif end.HasField("signal"):
        completed.signal = end.signal
    return completed


def _happened(transition: lpb.Transition) -> Happened:
    word = lpb.Transition.What.Name(transition.what).removeprefix("WHAT_")
    arrived = word in ("READY", "REBUILT")
    changed = SandboxChanged(
        sandbox_id=transition.sandbox_id,
        state=SandboxChanged.State.Value(f"STATE_{word}"),
        image=transition.image if arrived else "",
        reason=transition.confinement if arrived else transition.reason,
        took_ms=transition.took_ms,
        workspace_kept=transition.workspace_kept,
        workspace_id=transition.workspace_id,
        checkpoint_id=transition.checkpoint_id,
        checkpoint_bytes=transition.bytes,
        commits=transition.commits,
        files=transition.files,
    )
    if transition.HasField("idle_deadline"):
        changed.idle_deadline.CopyFrom(transition.idle_deadline)
    return Happened(transition.number, transition.transition_id, transition.session_id, changed)
