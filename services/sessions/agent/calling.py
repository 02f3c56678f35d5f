"""A model that can be called: the session's own or the one that stands in for it, with the right key, and in time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from lucid.sessions.v1.event_pb2 import Error

from services.rpc import logs
from services.rpc.errors import LucidError
from services.sessions.agent.budget import BudgetReached, reached
from services.sessions.agent.failures import key_unreadable, model_refused
from services.sessions.agent.journal import Journal
from services.sessions.domain.conversation import FailureKind, ModelFailure, ModelRequest, Piece, StopPiece
from services.sessions.domain.spending import Measure
from services.sessions.ports import LanguageModel

log = logs.get_logger("lucid.sessions.calling")
TIMER_SECONDS = 1.0


class Unusable(Exception):
    """The model cannot be called at all; the card says why."""

    def __init__(self, card: Error) -> None:
        self.card = card
        super().__init__(card.code)


@dataclass(frozen=True)
class Callee:
    """`name`: `provider/model`. `api_key`: the session's own, if it belongs to this provider."""

    name: str
    model: LanguageModel
    api_key: str


def callee(journal: Journal) -> Callee:
    """The model that answers now. Raises Unusable."""
    record, ports = journal.record, journal.ports
    name = journal.context.fallback or record.model
    try:
        model = ports.models.open(name)
        # A key is for the provider it was given for, and nobody else ever sees it.
        own = record.model_key_sealed if provider(name) == provider(record.model) else ""
        return Callee(name, model, ports.sealer.open(record.owner_id, own) if own else "")
    except LucidError as refusal:
        raise Unusable(model_refused(refusal)) from refusal
    except ValueError as altered:
        raise Unusable(key_unreadable()) from altered


def provider(name: str) -> str:
    """Of `provider/model`."""
    return name.partition("/")[0]


def stand_in(journal: Journal) -> str:
    """The model to ask when the session's own fails: the session's choice, or the installation's. Empty where there is
    none, where it cannot be used, or where it is the one that has failed."""
    record, models = journal.record, journal.ports.models
    name = journal.policy.fallback_model or models.fallback
    if not name or name == record.model or journal.context.fallback:
        return ""
    try:
        models.check(name, has_own_key=bool(record.model_key_sealed) and provider(name) == provider(record.model))
    except LucidError as refusal:
        log.warning("fallback model cannot be used", extra={"model": name, "reason": refusal.reason})
        return ""
    return name


async def streamed(
    journal: Journal, model: LanguageModel, request: ModelRequest, take: Callable[[Piece], Awaitable[None]]
) -> None:
    """Hands every piece on until the stream has ended as it should. Raises ModelFailure, also for a silent model, and
    BudgetReached instead of beginning a call beyond the money."""
    if reached(journal, Measure.MONEY):
        raise BudgetReached
    limits, loop = journal.ports.limits, asyncio.get_running_loop()
    moved, begun, ended = 0.0, False, False
    try:
        async with asyncio.timeout(limits.first_token_timeout) as patience:
            async with aclosing(model.stream(request)) as pieces:
                async for piece in pieces:
                    # Moving the timer for every token would cost more than the token.
                    if (now := loop.time()) - moved > TIMER_SECONDS:
                        patience.reschedule(now + limits.between_tokens_timeout)
                        moved = now
                    begun, ended = True, isinstance(piece, StopPiece)
                    await take(piece)
    except TimeoutError:
        seconds = limits.between_tokens_timeout if begun else limits.first_token_timeout
        message = f"The model has sent nothing for {seconds:.0f} s."
        raise ModelFailure(FailureKind.TRANSIENT, message, pieces_seen=begun) from None
    if not ended:
        raise ModelFailure(FailureKind.TRANSIENT, "The model's answer broke off.", pieces_seen=True)
