"""The demo model: plays a written plan through the real tools, as slowly as a person can follow.

It keeps nothing between calls. What comes next is read from the conversation: the first step of the plan that has no
good result yet.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from services.rpc.ids import new_id
from services.sessions.domain.conversation import (
    AssistantTurn,
    CallPiece,
    ModelRequest,
    Piece,
    StopPiece,
    TextPiece,
    ToolCall,
    ToolResult,
    Turn,
    UsagePiece,
    UserTurn,
)

DEMO = "demo"
WORDS_PER_SECOND = 40.0
PAUSE_SECONDS = 1.2
MOST_TRIES = 3
_ENDED = re.compile(r"^Exit code \d+\.")
_REPOSITORY = re.compile(r"\ARepository: (?P<name>\S+)\n")


@dataclass(frozen=True)
class DemoStep:
    """Words, then a call. `any_end`: done once the command has ended by itself, whatever its exit code."""

    say: str
    tool: str
    args: dict[str, Any]
    any_end: bool


class DemoModel:
    """Serves `demo`. `words_per_second` and `pause_seconds` set its pace."""

    def __init__(self, words_per_second: float = WORDS_PER_SECOND, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._word_seconds = 1 / words_per_second
        self._pause_seconds = pause_seconds

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece, None]:
        """The next step of the plan, or plain words once there is none."""
        step = next_step(request.turns, request.session_id)
        await asyncio.sleep(self._pause_seconds)
        words = re.findall(r"\S+\s*", step if isinstance(step, str) else step.say)
        for word in words:
            yield TextPiece(word)
            await asyncio.sleep(self._word_seconds)
        if isinstance(step, DemoStep):
            yield CallPiece(ToolCall(new_id("call"), step.tool, step.args))
        yield UsagePiece(output_tokens=len(words), price_known=True)
        yield StopPiece()


def next_step(turns: tuple[Turn, ...], session_id: str) -> DemoStep | str:
    """The first step without a good result; the closing words when all are done, or when one fails again and again."""
    calls = [call for turn in turns if isinstance(turn, AssistantTurn) for call in turn.calls]
    results = {turn.call_id: turn for turn in turns if isinstance(turn, ToolResult)}
    taken = 0
    for step in _steps(_repository(turns), session_id):
        tries = 0
        while taken < len(calls) and _is(calls[taken], step):
            done = _good(results.get(calls[taken].call_id), step)
            taken, tries = taken + 1, tries + 1
            if done:
                break
        else:
            return step if tries < MOST_TRIES else _words("stuck")
    return _words("after")


def _is(call: ToolCall, step: DemoStep) -> bool:
    return (call.name, call.args) == (step.tool, step.args)


def _good(result: ToolResult | None, step: DemoStep) -> bool:
    return result is not None and (result.ok or (step.any_end and _ENDED.match(result.text) is not None))


def _repository(turns: tuple[Turn, ...]) -> str:
    first = turns[0] if turns else None
    found = _REPOSITORY.match(first.text) if isinstance(first, UserTurn) else None
    return found["name"] if found else ""


def _steps(repository: str, session_id: str) -> list[DemoStep]:
    plans = {plan["repository"]: plan for plan in _book()["plans"]}
    plan = plans.get(repository, plans["*" if repository else ""])
    branch = f"lucid/{session_id}/{plan['branch']}"
    return [
        DemoStep(step["say"], step["tool"], _with_branch(step["args"], branch), step.get("expect") == "ended")
        for step in plan["steps"]
    ]


def _with_branch(args: dict[str, Any], branch: str) -> dict[str, Any]:
    return {key: value.replace("{branch}", branch) if isinstance(value, str) else value for key, value in args.items()}


def _words(which: str) -> str:
    return str(_book()[which])


@cache
def _book() -> dict[str, Any]:
    book: dict[str, Any] = json.loads(resources.files(__package__).joinpath("demo_plan.json").read_text())
    return book
