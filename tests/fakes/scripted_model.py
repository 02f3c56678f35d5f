"""A language model that plays a script, failures and pauses included."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

from services.sessions.domain.conversation import (
    CallPiece,
    ModelFailure,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    UsagePiece,
)
from services.sessions.domain.errors import UnknownModel


def said(text: str = "", *calls: tuple[str, dict[str, Any]], reasoning: str = "", cut: bool = False) -> list[Piece]:
    """An answer of the scripted model."""
    pieces: list[Piece] = [TextPiece(word, reasoning=True) for word in reasoning.split()]
    pieces += [TextPiece(word) for word in text.split(" ") if text]
    pieces += [CallPiece(ToolCall(f"call_{i}", name, args)) for i, (name, args) in enumerate(calls)]
    return [*pieces, UsagePiece(input_tokens=10, output_tokens=5, cost_micros=7, price_known=True), StopPiece(cut)]


Script = Sequence[list[Any]] | Callable[[ModelRequest], list[Any]]


class Model:
    """Plays its script, then its last answer again. An entry may be a failure or a number of seconds to wait."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[ModelRequest] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        self.requests.append(request)
        if callable(self.script):
            answer = self.script(request)
        else:
            answer = self.script[min(len(self.requests), len(self.script)) - 1]
        for piece in answer:
            await asyncio.sleep(piece if isinstance(piece, float) else 0)
            if isinstance(piece, ModelFailure):
                raise replace_failure(piece)
            if not isinstance(piece, float):
                yield piece


def replace_failure(failure: ModelFailure) -> ModelFailure:
    """A fresh one: an exception that is raised twice carries its first traceback along."""
    return ModelFailure(failure.kind, failure.message, failure.retry_after, failure.pieces_seen)


class OneModel:
    """The Models port with one model, whatever its name; names that begin with `no/` are unknown."""

    default = "test/model"
    fallback = ""

    def __init__(self, model: Model) -> None:
        self.model = model

    def names(self) -> tuple[str, ...]:
        return (self.default,)

    def check(self, model: str, has_own_key: bool) -> None:
        if model.startswith("no/"):
            raise UnknownModel

    def price(self, model: str, usage: UsagePiece) -> UsagePiece:
        """A millionth for each token."""
        return replace(usage, cost_micros=usage.input_tokens + usage.output_tokens, price_known=True)

    def open(self, model: str) -> Model:
        if model.startswith("no/"):
            raise UnknownModel
        return self.model
