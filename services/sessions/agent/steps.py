"""One step of the model: its next answer, whatever it takes: retries, a shorter history, another model."""

import asyncio
import random
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import ModelSelected

from services.sessions.agent.answer import Answer
from services.sessions.agent.calling import Unusable, callee, provider, stand_in, streamed
from services.sessions.agent.compaction import compact, compact_early
from services.sessions.agent.failures import RETRYABLE, TurnFailed, model_error
from services.sessions.agent.journal import Journal
from services.sessions.agent.prompt import system_prompt
from services.sessions.agent.tools import specs
from services.sessions.domain.conversation import (
    AssistantTurn,
    FailureKind,
    ModelFailure,
    ModelRequest,
    Piece,
    Turn,
    UserTurn,
)

GO_ON = "Go on. If the task is done, call finish with a summary."
EMPTY = "Your last answer was empty. Go on with a tool call, or answer the person."
CUT = "Your last answer was cut at its length limit. Go on from there, in smaller parts."
LONGEST_PAUSE = 60.0
LONGEST_HINT = 300.0
ANNOUNCED_PAUSE = 5.0


@dataclass
class _Tries:
    """Of one answer. `attempt`: of the model that is asked now."""

    attempt: int = 0
    compacted: bool = False


async def ask_model(journal: Journal, nudge: str = "") -> Answer:
    """The model's next answer, stored. Raises TurnFailed once nothing helps; the card that says why is in the
    log. Raises BudgetReached where what failed has used the money up."""
    await compact_early(journal)
    tries = _Tries()
    while True:
        try:
            return await _answer(journal, nudge)
        except Unusable as reason:
            await journal.ground()
            if not await _other_model(journal, reason.card.message):
                await journal.append(journal.draft(system=True, error=reason.card))
                raise TurnFailed from reason
            tries = _Tries()
        except ModelFailure as failure:
            await _after_failure(journal, failure, tries)


async def _answer(journal: Journal, nudge: str) -> Answer:
    """Raises Unusable, ModelFailure; then the texts of the call are taken back."""
    called = callee(journal)
    request = ModelRequest(
        model=called.name,
        system=system_prompt(journal.record, journal.workdir),
        turns=_turns(journal, nudge),
        tools=specs(journal.record.repository is not None),
        session_id=journal.session_id,
        api_key=called.api_key,
        memo=journal.memo,
    )
    answer = Answer(journal, request)

    async def take(piece: Piece) -> None:
        await journal.ground()
        await answer.take(piece)

    try:
        await streamed(journal, called.model, request, take)
    except ModelFailure:
        await journal.ground()
        await answer.discard()
        raise
    except asyncio.CancelledError:
        await answer.stopped()
        raise
    await answer.store()
    return answer


def _turns(journal: Journal, nudge: str) -> tuple[Turn, ...]:
    """The folded turns; the last one is never the model's own."""
    turns = journal.context.turns()
    if nudge or not turns or isinstance(turns[-1], AssistantTurn):
        return (*turns, UserTurn(nudge or GO_ON))
    return turns


async def _after_failure(journal: Journal, failure: ModelFailure, tries: _Tries) -> None:
    """Does what helps against this kind of failure, or ends the turn with a card that says what to do."""
    if failure.kind is FailureKind.CONTEXT and not tries.compacted:
        tries.compacted = True
        if await compact(journal):
            return
    pause = failure.retry_after or _back_off(tries.attempt)
    last = tries.attempt >= journal.ports.limits.model_retries or pause > LONGEST_HINT
    if failure.kind not in RETRYABLE or last:
        if not await _other_model(journal, failure.message):
            await journal.append(journal.draft(system=True, error=model_error(failure)))
            raise TurnFailed from failure
        # The window of the other one may be smaller.
        tries.attempt, tries.compacted = 0, False
        return
    if pause >= ANNOUNCED_PAUSE:
        await journal.append(journal.draft(system=True, error=model_error(failure, wait=pause)))
    await journal.ports.clock.sleep(pause)
    tries.attempt += 1


async def _other_model(journal: Journal, why: str) -> bool:
    """Lets the fallback model go on for the rest of the turn; the next turn begins with the session's own again."""
    name = stand_in(journal)
    if not name:
        return False
    selected = ModelSelected(
        model=name,
        provider=provider(name),
        reason=ModelSelected.REASON_FALLBACK,
        detail=f"{journal.record.model}: {why}",
    )
    await journal.append(journal.draft(system=True, model_selected=selected))
    return True


def _back_off(attempt: int) -> float:
    """Between half and all of it: sessions that failed together do not come back together."""
    return min(LONGEST_PAUSE, 2.0**attempt) * random.uniform(0.5, 1.0)  # noqa: S311
