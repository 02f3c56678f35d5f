"""Budgets ask instead of ending the work: at a limit the turn waits, and goes on at the same place after a yes."""

from lucid.sessions.v1.event_pb2 import SOURCE_USER, ApprovalRequested, UserMessage

from services.sessions.agent.asking import ask, closed
from services.sessions.agent.journal import Journal
from services.sessions.domain.spending import GO_ON, Measure, measure_of
from services.sessions.domain.work import Outcome

STOP = "stop"
USD = 1_000_000


class BudgetReached(Exception):
    """A model call was not begun: the money is used up. The person is asked before the next one."""


async def within_budget(journal: Journal) -> Outcome | None:
    """None: the next model call may begin. WAITING while the person is asked; BUDGET or LIMIT after a no."""
    for measure in Measure:
        if not reached(journal, measure):
            continue
        answer = await ask(journal, _request(journal, measure))
        if answer is None:
            return Outcome.WAITING
        if answer.option_id != GO_ON:
            journal.context.summary = f"Ended at the limit: {_used(journal, measure)}. A message goes on from here."
            return Outcome.BUDGET if measure is Measure.MONEY else Outcome.LIMIT
    await _settle(journal)
    return None


def reached(journal: Journal, measure: Measure) -> bool:
    """Whether nothing is left of a budget. What is allowed counts from the last yes."""
    limit, spending = _limit(journal, measure), journal.state.spending
    return limit > 0 and spending.used[measure] - spending.since[measure] >= limit


def ceiling_micros(journal: Journal) -> int:
    """What the session may cost before it asks; 0 = anything."""
    limit = _limit(journal, Measure.MONEY)
    return int(journal.state.spending.since[Measure.MONEY] + limit) if limit else 0


def _limit(journal: Journal, measure: Measure) -> float:
    budget, limits = journal.policy.budget, journal.ports.limits
    match measure:
        case Measure.MONEY:
            return budget.cost_micros or limits.session_budget_micros
        case Measure.STEPS:
            return budget.steps or limits.max_iterations
        case Measure.TIME:
            return budget.seconds or limits.conversation_timeout


async def _settle(journal: Journal) -> None:
    """Tells the model what came with a yes, and takes back cards that a changed budget has made idle."""
    idle = [request_id for request_id in journal.state.asked if measure_of(request_id)]
    drafts = closed(journal, idle)
    for request_id, text in journal.state.spending.words.items():
        message = UserMessage(client_message_id=request_id, text=text, delivery=UserMessage.DELIVERY_STEER)
        draft = journal.draft(key=f"{request_id}:text", user_message=message)
        draft.event.source = SOURCE_USER
        drafts.append(draft)
    if drafts:
        await journal.append(*drafts)


def _request(journal: Journal, measure: Measure) -> ApprovalRequested:
    Option = ApprovalRequested.Option
    return ApprovalRequested(
        request_id=journal.state.spending.request_id(measure),
        kind=ApprovalRequested.KIND_BUDGET,
        title=_TITLES[measure],
        body=f"{_used(journal, measure).capitalize()}. A yes allows {_amount(measure, _limit(journal, measure))} more, "
        "and the work goes on where it is.",
        risk=ApprovalRequested.RISK_LOW,
        options=[Option(id=GO_ON, label="Go on", is_default=True), Option(id=STOP, label="Stop here")],
    )


_TITLES = {
    Measure.MONEY: "The budget of this session is used up",
    Measure.STEPS: "The steps of this turn are used up",
    Measure.TIME: "The time of this turn is used up",
}


def _used(journal: Journal, measure: Measure) -> str:
    used = _amount(measure, journal.state.spending.used[measure])
    match measure:
        case Measure.MONEY:
            return f"this session has cost {used}"
        case Measure.STEPS:
            return f"this turn has made {used}"
        case Measure.TIME:
            return f"the agent has worked for {used} on this turn"


def _amount(measure: Measure, amount: float) -> str:
    match measure:
        case Measure.MONEY:
            # Small budgets are told exactly.
            return f"${amount / USD:.2f}" if amount >= USD / 10 else f"${amount / USD:.6f}"
        case Measure.STEPS:
            return f"{amount:.0f} model calls"
        case Measure.TIME:
            return f"{amount / 60:.0f} minutes" if amount >= 120 else f"{amount:.0f} seconds"
