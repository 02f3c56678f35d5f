"""What a model call has used, as the log keeps it; also of a call that did not come to its end."""

from collections.abc import Sequence
from dataclasses import replace

from lucid.sessions.v1.event_pb2 import Usage

from services.sessions.agent.budget import ceiling_micros
from services.sessions.agent.history import CHARACTERS_PER_TOKEN, size_of
from services.sessions.agent.journal import Journal
from services.sessions.domain.conversation import ModelRequest, UsagePiece
from services.sessions.domain.models import Draft
from services.sessions.domain.spending import CUT_SHORT, ESTIMATED, PURPOSE

FAILED, STOPPED = "failed", "stopped"


class ModelCall:
    """One model call: when it began, what it was for (empty: a step of the agent), and what its pieces have told."""

    def __init__(self, journal: Journal, request: ModelRequest, purpose: str = "") -> None:
        self.usage: UsagePiece | None = None
        self.first_piece = 0.0
        self._journal = journal
        self._request = request
        self._purpose = purpose
        self._begun = journal.ports.clock.monotonic()

    def begins(self) -> None:
        """The first piece is here."""
        self.first_piece = self.first_piece or self._journal.ports.clock.monotonic()

    def ended(self, written: Sequence[str]) -> Draft:
        """Of a call that came to its end. Where the server tells no counts, they are estimated."""
        if self.usage is not None and (self.usage.input_tokens or self.usage.output_tokens):
            return self._draft(self.usage, {})
        return self._draft(self._estimated(written), {ESTIMATED: "1"})

    def cut_short(self, why: str, written: Sequence[str]) -> Draft:
        """Of a call that failed or was stopped after it had `written` this; what was not reported is estimated."""
        if why == FAILED and not self.first_piece:
            # Refused: nothing was read or written.
            return self._draft(self._priced(UsagePiece()), {CUT_SHORT: why})
        return self._draft(self._estimated(written), {CUT_SHORT: why, ESTIMATED: "1"})

    def _estimated(self, written: Sequence[str]) -> UsagePiece:
        used = self.usage or UsagePiece()
        if not (used.input_tokens or used.cache_read_tokens or used.cache_write_tokens):
            # Counted already for the session's conversation: it may be long.
            turns = size_of(self._request.turns) if self._purpose else self._journal.context.history.size
            read = len(self._request.system) + turns
            used = replace(used, input_tokens=read // CHARACTERS_PER_TOKEN)
        output = max(used.output_tokens, sum(map(len, written)) // CHARACTERS_PER_TOKEN)
        return self._priced(replace(used, output_tokens=output))

    def _priced(self, usage: UsagePiece) -> UsagePiece:
        return self._journal.ports.models.price(self._request.model, usage)

    def _draft(self, used: UsagePiece, labels: dict[str, str]) -> Draft:
        journal, now = self._journal, self._journal.ports.clock.monotonic()
        if self._purpose:
            labels[PURPOSE] = self._purpose
        payload = Usage(
            model=self._request.model,
            input_tokens=used.input_tokens,
            output_tokens=used.output_tokens,
            cache_read_tokens=used.cache_read_tokens,
            cache_write_tokens=used.cache_write_tokens,
            reasoning_tokens=used.reasoning_tokens,
            cost_micros=used.cost_micros,
            currency="USD",
            session_cost_micros=journal.state.session_cost_micros + used.cost_micros,
            budget_micros=ceiling_micros(journal),
            context_used=0 if self._purpose else _context(used),
            context_window=0 if self._purpose else used.context_window,
            latency_ms=int((now - self._begun) * 1000),
            first_token_ms=int((self.first_piece - self._begun) * 1000) if self.first_piece else 0,
            price_known=used.price_known,
        )
        return journal.draft(labels=labels, usage=payload)


def _context(used: UsagePiece) -> int:
    """Tokens of the conversation; a call beside the work has none."""
    return used.input_tokens + used.cache_read_tokens + used.cache_write_tokens + used.output_tokens
