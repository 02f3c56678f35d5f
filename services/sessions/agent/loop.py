"""The agent's loop: ask the model, run the tools it calls, again, until it says that it is done.

All state is the log. Going on after a crash is therefore the same as going on: calls that are open are run (again,
under the same key), then the model is asked.
"""

from services.sessions.agent.answer import Answer
from services.sessions.agent.asking import holds_up
from services.sessions.agent.budget import BudgetReached, within_budget
from services.sessions.agent.failures import TurnFailed, empty_answers
from services.sessions.agent.journal import Journal
from services.sessions.agent.queue import take_steers
from services.sessions.agent.steps import CUT, EMPTY, ask_model
from services.sessions.agent.stuck import unstuck
from services.sessions.agent.tool_command import command_item
from services.sessions.agent.tools import run_call
from services.sessions.domain.work import Outcome

MOST_EMPTY_ANSWERS = 2


async def run_turn(journal: Journal) -> Outcome:
    """Works on the open turn until it ends or waits for the person. Raises Fenced; a stop is a cancellation."""
    try:
        return await _work(journal)
    except TurnFailed:
        return Outcome.FAILED


async def _work(journal: Journal) -> Outcome:
    nudge, empty, resumed = "", 0, True
    while True:
        heard = journal.state.heard
        outcome = await _up_to_the_model(journal, resumed)
        if outcome is Outcome.WAITING and journal.state.heard != heard:
            # The person has answered while other calls ran.
            continue
        if outcome is not None:
            return outcome
        try:
            answer = await _ask(journal, nudge)
        except BudgetReached:
            continue
        nudge, resumed = _nudge(answer), False
        empty = empty + 1 if answer.empty else 0
        if empty == MOST_EMPTY_ANSWERS:
            await journal.append(journal.draft(system=True, error=empty_answers()))
            raise TurnFailed


async def _up_to_the_model(journal: Journal, resumed: bool) -> Outcome | None:
    """Runs what the model has called. None: it is asked next; anything else: how the turn ends or waits."""
    answered = await _run_open_calls(journal, resumed)
    if journal.pausing:
        return Outcome.PAUSED
    if not answered:
        return Outcome.WAITING
    await take_steers(journal)
    if journal.context.ended:
        return Outcome.COMPLETED
    outcome = await within_budget(journal) or await unstuck(journal)
    # A pause may have come meanwhile: then nothing is asked any more.
    return Outcome.PAUSED if journal.pausing else outcome


async def _run_open_calls(journal: Journal, resumed: bool) -> bool:
    """Runs what the model has called, one after another; False if one of them stays open.

    Once the person wants a pause only a command that runs already is followed to its end.
    """
    done = True
    for item, call in list(journal.state.open_calls.items()):
        if journal.pausing and command_item(item) not in journal.state.open_commands:
            return False
        done = await run_call(journal, call, resumed) and done
        if holds_up(journal, item):
            return False
    return done


async def _ask(journal: Journal, nudge: str) -> Answer:
    """A pause may cut the call: it is asked again when the session goes on."""
    journal.in_model_call = True
    try:
        return await ask_model(journal, nudge)
    finally:
        journal.in_model_call = False


def _nudge(answer: Answer) -> str:
    if answer.empty:
        return EMPTY
    return CUT if answer.stop is not None and answer.stop.cut and not answer.calls else ""
