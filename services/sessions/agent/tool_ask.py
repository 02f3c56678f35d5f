"""ask_user."""

from lucid.sessions.v1.event_pb2 import ApprovalRequested, ApprovalResolved

from services.sessions.agent.arguments import BadArgument, required
from services.sessions.agent.asking import answered, ask, said_since
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, one_line, parameters
from services.sessions.domain.conversation import ToolSpec

MOST_OPTIONS = 8


async def ask_user(run: ToolRun) -> ToolAnswer | None:
    """Puts a question to the person; None until it is answered, by the card or by a plain message."""
    journal, question, options = run.journal, required(run.args, "question"), _options(run)
    if message := said_since(journal, run.item_id):
        drafts = answered(journal, run.item_id, message)
        return ToolAnswer("The person has answered with the message that follows.", drafts=tuple(drafts))
    request = ApprovalRequested(
        request_id=run.item_id,
        kind=ApprovalRequested.KIND_QUESTION,
        title=one_line(question, 250),
        body=question,
        risk=ApprovalRequested.RISK_LOW,
        options=[ApprovalRequested.Option(id=str(i), label=label) for i, label in enumerate(options, 1)],
        about_item_id=run.item_id,
    )
    answer = await ask(journal, request, journal.ports.limits.question_timeout)
    return None if answer is None else ToolAnswer(_said(answer, options))


def _options(run: ToolRun) -> list[str]:
    options = run.args.get("options") or []
    if not isinstance(options, list) or len(options) > MOST_OPTIONS:
        raise BadArgument(f"`options` must be a list of at most {MOST_OPTIONS} texts.")
    return [one_line(str(option), 200) for option in options]


def _said(answer: ApprovalResolved, options: list[str]) -> str:
    if answer.expired:
        return "Nobody has answered in time. Decide yourself, and say in the summary what you have decided."
    chosen = {str(i): label for i, label in enumerate(options, 1)}.get(answer.option_id, answer.option_id)
    words = [f"The person chose: {chosen}"] if chosen else []
    words += [f"The person wrote: {answer.text}"] if answer.text else []
    return "\n".join(words) or "The person has answered without words: go on as you think best."


ASK_USER = Tool(
    ToolSpec(
        "ask_user",
        "Asks the person a question and waits for the answer. Give options if there are a few clear ones.",
        parameters(
            {
                "question": {"type": "string"},
                "options": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_OPTIONS},
            },
            "question",
        ),
    ),
    lambda args: one_line(str(args.get("question", "Ask a question"))),
    ask_user,
)
