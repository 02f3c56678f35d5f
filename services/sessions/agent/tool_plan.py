"""update_plan."""

from typing import Any

from lucid.sessions.v1.event_pb2 import PlanUpdated

from services.sessions.agent.arguments import BadArgument, text_of
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, parameters
from services.sessions.domain.conversation import ToolSpec

MOST_STEPS = 50
_STATES = {
    "pending": PlanUpdated.Step.STATE_PENDING,
    "in_progress": PlanUpdated.Step.STATE_IN_PROGRESS,
    "done": PlanUpdated.Step.STATE_DONE,
    "dropped": PlanUpdated.Step.STATE_DROPPED,
}


async def update_plan(run: ToolRun) -> ToolAnswer:
    """Shows the plan to the person."""
    steps = run.args.get("steps")
    if not isinstance(steps, list) or not 0 < len(steps) <= MOST_STEPS:
        raise BadArgument(f"`steps` must be a list of 1 to {MOST_STEPS} steps.")
    plan = PlanUpdated(
        steps=[_step(i, step) for i, step in enumerate(steps, 1)], explanation=text_of(run.args, "explanation")
    )
    draft = run.journal.draft(key=f"{run.item_id}:plan", parent=run.item_id, plan_updated=plan)
    return ToolAnswer("The plan is shown to the person.", drafts=(draft,))


def _step(number: int, step: Any) -> PlanUpdated.Step:
    if not isinstance(step, dict):
        raise BadArgument("Each step is an object with `text` and `status`.")
    text, status = text_of(step, "text").strip(), text_of(step, "status", "pending")
    if not text or status not in _STATES:
        raise BadArgument(f"Step {number} needs a `text` and a `status` of: {', '.join(_STATES)}.")
    return PlanUpdated.Step(id=str(number), text=text, state=_STATES[status], note=text_of(step, "note"))


_STEP = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "One line."},
        "status": {"type": "string", "enum": list(_STATES)},
        "note": {"type": "string"},
    },
    "required": ["text", "status"],
    "additionalProperties": False,
}
UPDATE_PLAN = Tool(
    ToolSpec(
        "update_plan",
        "Shows your plan to the person as a checklist. Send all steps each time, in the same order, with at most one "
        "in_progress.",
        parameters(
            {"steps": {"type": "array", "items": _STEP}, "explanation": {"type": "string"}},
            "steps",
        ),
    ),
    lambda _: "Update the plan",
    update_plan,
)
