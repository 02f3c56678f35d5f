"""open_pull_request and finish."""

from services.sessions.agent.arguments import required, text_of
from services.sessions.agent.context import FINISH
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, one_line, parameters
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.work import ToolFailure

TITLE_LENGTH = 255
BODY_LENGTH = 50_000


async def open_pull_request(run: ToolRun) -> ToolAnswer:
    """Opens the session's one pull request from the branch pushed last."""
    journal = run.journal
    if journal.record.repository is None:
        raise ToolFailure("NO_REPOSITORY", "This session has no repository, so there is nothing to open it in.")
    title = one_line(required(run.args, "title"), TITLE_LENGTH)
    body = text_of(run.args, "body")[:BODY_LENGTH]
    key = f"{journal.session_id}:pull_request:{run.item_id}"
    changed = await journal.ports.forge.open_pull_request(
        journal.record, key, title, body, run.args.get("draft") is True
    )
    draft = journal.draft(
        key=f"{run.item_id}:pull_request", parent=run.item_id, system=True, pull_request_changed=changed
    )
    verb = "was open already" if changed.existed else "is open"
    return ToolAnswer(f"Pull request #{changed.number} {verb}: {changed.url}", drafts=(draft,), pull_request=changed)


async def finish(run: ToolRun) -> ToolAnswer:
    """Ends the turn; the summary is the agent's closing words."""
    required(run.args, "summary")
    return ToolAnswer("The turn ends here.")


OPEN_PULL_REQUEST = Tool(
    ToolSpec(
        "open_pull_request",
        "Opens the pull request of this session from the branch you pushed last into the base branch, or answers with "
        "the one that is open already. Push first.",
        parameters(
            {
                "title": {"type": "string", "maxLength": TITLE_LENGTH},
                "body": {"type": "string", "description": "Markdown: what was wrong, what you changed, how tested."},
                "draft": {"type": "boolean"},
            },
            "title",
            "body",
        ),
    ),
    lambda args: one_line(f"Open the pull request: {args.get('title', '')}"),
    open_pull_request,
)
FINISH_TOOL = Tool(
    ToolSpec(
        FINISH,
        "Ends your work on this task. Call it alone, when everything is done and checked, or when you cannot go on.",
        parameters({"summary": {"type": "string", "description": "Two to five sentences for the person."}}, "summary"),
    ),
    lambda _: "Finish",
    finish,
)
