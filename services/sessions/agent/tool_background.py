"""read_output and stop_background: what runs on after its call has been answered."""

from typing import Any

from lucid.sessions.v1.event_pb2 import CommandCompleted

from services.sessions.agent.arguments import BadArgument, integer, required
from services.sessions.agent.repetition import NO_OUTPUT
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, parameters
from services.sessions.agent.tool_command import how
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.work import CommandLog, LogPart

READ_BYTES = 12_000
LONGEST_WAIT = 60
RUNS, LEFT = "It still runs.", "Processes that it left behind still run."
_ID = {"type": "string", "description": "As run_command has told it, such as itm_…c."}


async def read_output(run: ToolRun) -> ToolAnswer:
    """The last of a command's output, or the part from a byte on, and whether it still runs."""
    key, wait = _key(run), integer(run.args, "wait_seconds", 0, 0, LONGEST_WAIT)
    offset = integer(run.args, "from_byte", 0, 0, 2**53) if "from_byte" in run.args else None
    journal = run.journal
    found = await journal.ports.workspace.read_log(journal.record, key, LogPart(offset, READ_BYTES, wait * 1000))
    return ToolAnswer(_told(found), result=_facts(found))


async def stop_background(run: ToolRun) -> ToolAnswer:
    """Ends a command with all its processes, and tells what it printed last."""
    key, journal = _key(run), run.journal
    # Asked first, so that an id that is none is told as one.
    await journal.ports.workspace.read_log(journal.record, key, LogPart(None, 1))
    await journal.ports.workspace.stop(journal.record, key)
    found = await journal.ports.workspace.read_log(journal.record, key, LogPart(None, READ_BYTES))
    return ToolAnswer(_told(found), found.completed is not None, result=_facts(found))


def _key(run: ToolRun) -> str:
    key = required(run.args, "command_id").strip().strip("`")
    if not key.replace("_", "").replace("-", "").isalnum() or len(key) > 100 or not key.isascii():
        raise BadArgument("`command_id` is an id that run_command has told, such as itm_…c.")
    return key


def _told(found: CommandLog) -> str:
    """The state in the first line, the part in the last one, the output between them."""
    end = found.offset + len(found.data)
    output = found.data.decode(errors="replace").rstrip("\n") or NO_OUTPUT
    return f"{_state(found)}\n{output}\n[bytes {found.offset} to {end} of {found.total_bytes}]"


def _state(found: CommandLog) -> str:
    if found.completed is None:
        return RUNS
    if found.completed.reason == CommandCompleted.REASON_STOPPED:
        return "It was stopped."
    return f"{how(found.completed, 0)} {LEFT}" if found.processes else how(found.completed, 0)


def _facts(found: CommandLog) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "running": found.completed is None,
        "processes": found.processes,
        "offset": found.offset,
        "end": found.offset + len(found.data),
        "total_bytes": found.total_bytes,
    }
    if found.completed is not None:
        facts["reason_number"] = int(found.completed.reason)
        if found.completed.HasField("exit_code"):
            facts["exit_code"] = found.completed.exit_code
        elif found.completed.signal:
            facts["signal"] = found.completed.signal
    return facts


READ_OUTPUT = Tool(
    ToolSpec(
        "read_output",
        "Shows what a command has printed, and whether it still runs: one in the background, or one whose long output "
        "was cut. Without from_byte the last part.",
        parameters(
            {
                "command_id": _ID,
                "wait_seconds": {
                    "type": "integer",
                    "minimum": 0,
                    "maximum": LONGEST_WAIT,
                    "description": "Wait so long for its end, or with from_byte for output from there. Default: 0.",
                },
                "from_byte": {"type": "integer", "minimum": 0, "description": "Where to begin in the whole output."},
            },
            "command_id",
        ),
    ),
    lambda args: "Look at a command's output",
    read_output,
)
STOP_BACKGROUND = Tool(
    ToolSpec(
        "stop_background",
        "Ends a command that runs in the background, with all its processes.",
        parameters({"command_id": _ID}, "command_id"),
    ),
    lambda args: "Stop a background command",
    stop_background,
)
