"""run_command."""

from typing import Any

from lucid.sessions.v1.event_pb2 import (
    CHANNEL_STDOUT,
    CommandCompleted,
    CommandStarted,
    FileEdited,
    NetworkBlocked,
)

from services.sessions.agent.arguments import BadArgument, integer, required
from services.sessions.agent.commands import completed_draft, follow_command
from services.sessions.agent.journal import Journal
from services.sessions.agent.prompt import WORKSPACE
from services.sessions.agent.repetition import NO_OUTPUT
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, clip, one_line, parameters
from services.sessions.agent.workspace import changes_since
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.work import CommandEnded

_NOT_ALLOWED = "is not allowed here"
_WHY = {
    NetworkBlocked.REASON_NETWORK_OFF: "cannot be called: this session has no network",
    NetworkBlocked.REASON_NOT_CONNECT: "cannot be called without TLS: only https goes out",
    NetworkBlocked.REASON_ADDRESS: "is an address: only names are allowed here",
    NetworkBlocked.REASON_PRIVATE_ADDRESS: "does not lead to a public address",
    NetworkBlocked.REASON_NOT_TLS: "was not spoken to in TLS: only https goes out",
    NetworkBlocked.REASON_TOO_MANY: "was one connection too many at once",
}
OUTPUT_LENGTH = 16_000
LONGEST_COMMAND = 100_000


def command_item(call_id: str) -> str:
    """The item (and the sandbox's key) of a call's command."""
    return f"{call_id}c"


async def has_begun(journal: Journal, call_id: str) -> bool:
    """Whether an earlier run of the call has started its command."""
    return await journal.ports.store.find(journal.session_id, f"{command_item(call_id)}:started") is not None


async def run_command(run: ToolRun) -> ToolAnswer:
    """Runs a command once per call, shows its output while it runs, then looks at what it changed."""
    command, background = _checked(required(run.args, "command")), run.args.get("background") is True
    journal, limit = run.journal, run.journal.ports.limits.command_timeout
    timeout = integer(run.args, "timeout_seconds", int(limit), 1, int(limit))
    if background and "timeout_seconds" not in run.args:
        timeout = 0
    ended = await _earlier_end(run) if run.resumed else None
    if ended is None:
        ended = await _run(journal, run.item_id, command, timeout * 1000, background)
    drafts = await changes_since(journal, run.item_id, FileEdited.VIA_COMMAND)
    done, item = ended.completed, command_item(run.item_id)
    result: dict[str, Any] = {"exit_code": done.exit_code} if done.HasField("exit_code") else {}
    is_detached = done.reason == CommandCompleted.REASON_DETACHED
    if is_detached or ended.left_running:
        result["command_id"] = item
    return ToolAnswer(told(ended, timeout, item), is_detached or result.get("exit_code") == 0, drafts, result)


def _checked(command: str) -> str:
    if "\0" in command or len(command.encode(errors="replace")) > LONGEST_COMMAND:
        raise BadArgument(
            f"A command is text without NUL, of at most {LONGEST_COMMAND} bytes; use edit_file for files."
        )
    return command


async def _earlier_end(run: ToolRun) -> CommandEnded | None:
    """The end of the command, if an earlier run of this call has stored it."""
    journal = run.journal
    event = await journal.ports.store.find(journal.session_id, f"{command_item(run.item_id)}:completed")
    return None if event is None else CommandEnded(event.command_completed)


async def _run(journal: Journal, call_id: str, command: str, timeout_ms: int, background: bool) -> CommandEnded:
    item = command_item(call_id)
    started = CommandStarted(command=command, timeout_ms=timeout_ms, background=background)
    await _started(journal, call_id, started)
    cwd = "" if journal.context.cwd else journal.workdir
    ended = await follow_command(journal, item, command, timeout_ms, cwd, background)
    await journal.append(completed_draft(journal, item, call_id, ended.completed))
    return ended


async def _started(journal: Journal, call_id: str, payload: CommandStarted) -> None:
    item = command_item(call_id)
    journal.ports.live.open(journal.session_id, item, CHANNEL_STDOUT)
    if item in journal.state.open_commands:
        return
    payload.cwd = journal.context.cwd or f"{WORKSPACE}/{journal.workdir}".rstrip("/")
    payload.thought_item_id = journal.context.thought_item_id
    await journal.append(journal.draft(key=f"{item}:started", item_id=item, parent=call_id, command_started=payload))


def told(ended: CommandEnded, timeout: int, item: str) -> str:
    """What the model reads of a command's end and output."""
    done = ended.completed
    lines = [how(done, timeout)]
    if done.reason == CommandCompleted.REASON_DETACHED:
        lines = [f"It runs in the background as {item}. read_output shows what it prints, stop_background ends it."]
    elif ended.left_running:
        lines.append(f"[{ended.left_running} of its processes still run in the background, as {item}]")
    lines.extend(map(_blocked, ended.blocked))
    lines.append(_output(done, item) or NO_OUTPUT)
    if done.cwd_after:
        lines.append(f"[working directory: {done.cwd_after}]")
    return "\n".join(lines)


def how(done: CommandCompleted, timeout: int) -> str:
    """How a command ended; a `timeout` of 0 seconds is not told."""
    match done.reason:
        case CommandCompleted.REASON_TIMEOUT:
            limit = f" of {timeout} s" if timeout else ""
            return f"The command ran longer than its limit{limit} and was ended, with all it had started."
        case CommandCompleted.REASON_STOPPED:
            return "The command was stopped by the person."
        case CommandCompleted.REASON_OOM:
            return "The command was ended because the sandbox ran out of memory."
        case CommandCompleted.REASON_LIMIT:
            return (
                "The command was ended because it printed more than a command may, or filled the sandbox with "
                "processes. Make it print less (-q, | tail, into a file), or run fewer things at once."
            )
        case CommandCompleted.REASON_DISK:
            return "The command failed, or was ended, because the sandbox's disk is full. Delete what is not needed."
        case CommandCompleted.REASON_SANDBOX_LOST:
            return (
                "The command was interrupted: the sandbox went away while it ran. It may have done part of its work. "
                "Look at what is there before you run it again."
            )
    return f"Ended by {done.signal}." if done.signal else f"Exit code {done.exit_code}."


def _blocked(call: NetworkBlocked) -> str:
    allowed = ", ".join(call.allowed) or "nothing"
    return f"[blocked: {_goal(call)} {_WHY.get(call.reason, _NOT_ALLOWED)}; allowed are: {allowed}]"


def _goal(call: NetworkBlocked) -> str:
    return f"{call.host or 'a call'}:{call.port}" if call.port else call.host or "a call"


def _output(done: CommandCompleted, item: str) -> str:
    head, tail = done.head.decode(errors="replace"), done.tail.decode(errors="replace")
    if not done.truncated:
        return clip(head, OUTPUT_LENGTH).rstrip("\n")
    half = OUTPUT_LENGTH // 2
    left_out = done.total_bytes - len(head[:half].encode()) - len(tail[-half:].encode())
    cut = f"[… about {max(0, left_out)} bytes left out; read_output shows them, as {item} …]"
    return f"{head[:half]}\n{cut}\n{tail[-half:]}".rstrip("\n")


RUN_COMMAND = Tool(
    ToolSpec(
        "run_command",
        "Runs a command in bash and answers with its exit code and output (standard output and error together; of long "
        "output the beginning and the end). It cannot be typed into. What does not end by itself, such as a server, "
        "goes with background: true: the call answers at once, the command goes on, and read_output and "
        "stop_background take its id.",
        parameters(
            {
                "command": {"type": "string"},
                "timeout_seconds": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "After this the command and all it started are ended. Default: the longest, 600; "
                    "in the background none.",
                },
                "background": {"type": "boolean", "description": "Answer at once and let it run on."},
            },
            "command",
        ),
    ),
    lambda args: one_line(str(args.get("command", "a command"))),
    run_command,
)
