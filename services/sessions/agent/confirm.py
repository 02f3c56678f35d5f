"""Whether a call may run: as the session's confirmation mode has it, the person is asked first.

What the person has allowed is read from the log, so it holds after a crash and for the next owner.
"""

import re
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import ApprovalRequested, ApprovalResolved, ToolCallStarted

from services.sessions.agent import risk
from services.sessions.agent.asking import answered, ask, said_since
from services.sessions.agent.journal import Journal
from services.sessions.agent.preview import preview
from services.sessions.agent.risk import Danger
from services.sessions.agent.tool import ToolRun
from services.sessions.agent.tool_command import has_begun
from services.sessions.domain.approvals import NO, SESSION, YES
from services.sessions.domain.models import Confirmation
from services.sessions.domain.work import ToolFailure

REFUSED = "The person does not allow this, so it was not done."
AFTERWARDS = "Do not try to reach the same in another way: go on with what is allowed, or ask."
LAPSED = "Nobody has answered in time, so this was not done. Go on without it, and say in the summary what was left."
CONFINED = ("docker", "bubblewrap")
_NEEDS = {"run_command": "command", "edit_file": "path", "open_pull_request": "title"}
_ORDINARY = {
    "run_command": Danger(ApprovalRequested.KIND_COMMAND, risk.LOW, "runs in the sandbox"),
    "edit_file": Danger(ApprovalRequested.KIND_OTHER, risk.LOW, "changes a file in the sandbox"),
}
_LABELS = {risk.LOW: "low", risk.MEDIUM: "medium", risk.HIGH: "high"}


@dataclass(frozen=True)
class Permit:
    """The call may run. `words`: what the person wrote with the yes."""

    words: str = ""


async def permission(run: ToolRun, call: ToolCallStarted) -> Permit | None:
    """None while the person is asked. Raises ToolFailure for a no; then the agent goes on without the call."""
    journal, key = run.journal, run.item_id
    if call.tool not in _NEEDS:
        return Permit()
    if key not in journal.state.asked and key not in journal.state.answers:
        dangers = _to_be_asked(run, call.tool)
        if not dangers or (run.resumed and await has_begun(journal, key)):
            return Permit()
        diff = await preview(run) if call.tool == "edit_file" else ""
        request = _request(run, call, dangers, diff)
    else:
        # Asked by an earlier run: what was asked then is what is answered now.
        request = ApprovalRequested(request_id=key)
        if message := said_since(journal, key):
            await journal.append(*answered(journal, key, message))
    answer = await ask(journal, request, journal.ports.limits.question_timeout)
    return None if answer is None else _decided(answer)


def mode(journal: Journal) -> Confirmation:
    """What asks first: by the session, else by the installation, else by what confines the sandbox."""
    for chosen in (journal.policy.confirmation, journal.ports.limits.confirmation):
        if chosen is not Confirmation.DEFAULT:
            return chosen
    confinement = journal.state.confinement or journal.record.confinement
    return Confirmation.NEVER if confinement in CONFINED else Confirmation.RISKY


def _to_be_asked(run: ToolRun, tool: str) -> list[Danger]:
    """Worst first. A call that its tool refuses anyway is not asked about."""
    chosen = mode(run.journal)
    if chosen is Confirmation.NEVER or not run.args.get(_NEEDS[tool]):
        return []
    dangers = list(risk.of_call(tool, run.args))
    if chosen is Confirmation.ALWAYS and tool in _ORDINARY:
        dangers.append(_ORDINARY[tool])
    granted = run.journal.state.granted
    return [danger for danger in dangers if danger.risk > granted.get(danger.kind, 0)]


def _request(run: ToolRun, call: ToolCallStarted, dangers: list[Danger], diff: str) -> ApprovalRequested:
    worst = dangers[0]
    Option = ApprovalRequested.Option
    return ApprovalRequested(
        request_id=run.item_id,
        kind=worst.kind,
        title=call.title,
        body=_body(run, call.tool, dangers),
        risk=worst.risk,
        options=[
            Option(id=YES, label="Yes", is_default=True),
            Option(id=SESSION, label=f"Yes, and others like it in this session (up to {_LABELS[worst.risk]} risk)"),
            Option(id=NO, label="No"),
        ],
        about_item_id=run.item_id,
        unified_diff=diff,
    )


def _body(run: ToolRun, tool: str, dangers: list[Danger]) -> str:
    why = "\n".join(f"- It {danger.why}." for danger in dangers)
    match tool:
        case "run_command":
            return f"{_fenced(str(run.args['command']))}\n\n{why}"
        case "open_pull_request":
            return f"**{run.args['title']}**\n\n{run.args.get('body', '')}\n\n{why}"
    return why


def _fenced(text: str) -> str:
    """The text as it is, also where it holds a fence itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}bash\n{text}\n{fence}"


def _decided(answer: ApprovalResolved) -> Permit:
    if answer.expired:
        raise ToolFailure("NOT_ALLOWED", LAPSED)
    if answer.option_id in (YES, SESSION):
        return Permit(answer.text.strip())
    if not answer.option_id:
        raise ToolFailure("NOT_ALLOWED", f"{REFUSED} They wrote the message that follows instead.")
    words = f" They wrote: {answer.text.strip()}" if answer.text.strip() else ""
    raise ToolFailure("NOT_ALLOWED", f"{REFUSED}{words} {AFTERWARDS}")
