"""The agent's tools and how a call is run: safe to repeat, its result durable with everything that belongs to it."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from lucid.sessions.v1.event_pb2 import CHANNEL_STDOUT, CommandCompleted, Event, ToolCallCompleted

from services.sessions.agent.arguments import BadArgument, plain
from services.sessions.agent.confirm import permission
from services.sessions.agent.context import ARGUMENT_ERROR
from services.sessions.agent.failures import TurnFailed, unreachable
from services.sessions.agent.journal import Journal
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, one_line
from services.sessions.agent.tool_ask import ASK_USER
from services.sessions.agent.tool_background import READ_OUTPUT, STOP_BACKGROUND
from services.sessions.agent.tool_command import RUN_COMMAND, command_item
from services.sessions.agent.tool_deliver import FINISH_TOOL, OPEN_PULL_REQUEST
from services.sessions.agent.tool_files import EDIT_FILE, VIEW_FILE
from services.sessions.agent.tool_plan import UPDATE_PLAN
from services.sessions.agent.tool_search import SEARCH_FILES
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.models import Change, Draft
from services.sessions.domain.work import ToolFailure

_ALL = (
    RUN_COMMAND,
    READ_OUTPUT,
    STOP_BACKGROUND,
    SEARCH_FILES,
    VIEW_FILE,
    EDIT_FILE,
    UPDATE_PLAN,
    ASK_USER,
    OPEN_PULL_REQUEST,
    FINISH_TOOL,
)
TOOLS: dict[str, Tool] = {tool.spec.name: tool for tool in _ALL}
CONNECTION_TRIES = 6
LONGEST_PAUSE = 20.0


def specs(has_repository: bool) -> tuple[ToolSpec, ...]:
    """The tools as the model is told of them."""
    return tuple(tool.spec for tool in _ALL if has_repository or tool is not OPEN_PULL_REQUEST)


def title(name: str, args: Mapping[str, Any]) -> str:
    """One line for people about a call."""
    tool = TOOLS.get(name)
    return one_line(name) if tool is None else tool.title(args)


async def run_call(journal: Journal, started: Event, resumed: bool) -> bool:
    """Runs an open call and stores its result; False if it stays open for a person's answer. Raises TurnFailed."""
    begun = journal.ports.clock.monotonic()
    for attempt in range(CONNECTION_TRIES):
        try:
            answer = await _answer(journal, started, resumed or attempt > 0)
        except ConnectionError:
            await journal.ports.clock.sleep(min(LONGEST_PAUSE, 0.5 * 2**attempt))
            await _revive(journal)
            continue
        if answer is None:
            return False
        await _store(journal, started.item_id, answer, begun)
        return True
    await _give_up(journal, started, begun)
    raise TurnFailed


async def _revive(journal: Journal) -> None:
    """The sandbox may have gone away: it is brought back on its workspace. Safe to repeat, as is the tool's call."""
    ports, record = journal.ports, journal.record
    with suppress(ConnectionError, ToolFailure):
        gate = await ports.forge.open_gate(record) if record.repository is not None else None
        await ports.workspace.create(record, gate)


async def _answer(journal: Journal, started: Event, resumed: bool) -> ToolAnswer | None:
    call, error = started.tool_call_started, started.labels.get(ARGUMENT_ERROR, "")
    tool = TOOLS.get(call.tool)
    if tool is None:
        return ToolAnswer(f"There is no tool {call.tool!r}. The tools are: {', '.join(TOOLS)}.", ok=False)
    if error:
        return ToolAnswer(error, ok=False)
    try:
        run = ToolRun(journal, started.item_id, plain(call.args), resumed)
        permit = await permission(run, call)
        answer = None if permit is None else await tool.run(run)
    except BadArgument as refusal:
        return ToolAnswer(str(refusal), ok=False)
    except ToolFailure as refusal:
        return ToolAnswer(refusal.message, ok=False, result={"reason": refusal.reason})
    if answer is None or permit is None or not permit.words:
        return answer
    return replace(answer, text=f"{answer.text}\n[The person has allowed this and wrote: {permit.words}]")


async def _store(journal: Journal, item_id: str, answer: ToolAnswer, begun: float, *more: Draft) -> None:
    payload = ToolCallCompleted(
        ok=answer.ok,
        result_text=answer.text,
        duration_ms=int((journal.ports.clock.monotonic() - begun) * 1000),
    )
    payload.result.update(answer.result)
    completed = journal.draft(key=f"{item_id}:completed", item_id=item_id, tool_call_completed=payload)
    change = Change(drafts=(*answer.drafts, *more, completed), pull_request=answer.pull_request)
    await journal.transition(lambda _: change)


async def _give_up(journal: Journal, started: Event, begun: float) -> None:
    """The sandbox (or integrations) stays away: what is open is closed, and the person is told."""
    item_id = started.item_id
    command, more = command_item(item_id), []
    if command in journal.state.open_commands:
        lost = CommandCompleted(reason=CommandCompleted.REASON_SANDBOX_LOST)
        lost.head = journal.ports.live.content(journal.session_id, command, CHANNEL_STDOUT)[: 16 * 1024]
        more.append(journal.draft(key=f"{command}:completed", item_id=command, parent=item_id, command_completed=lost))
    more.append(
        journal.draft(
            item_id="",
            system=True,
            error=unreachable(item_id, started.tool_call_started.tool == OPEN_PULL_REQUEST.spec.name),
        )
    )
    text = "This could not be reached for a while. Whether the call had an effect is not known."
    await _store(journal, item_id, ToolAnswer(text, ok=False), begun, *more)
