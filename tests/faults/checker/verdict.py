"""All rules together."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.checker import client_rules, log_rules, watch_rules, world_rules
from tests.faults.checker.history import History, read

RULES: tuple[Callable[[History], Iterator[str]], ...] = (
    log_rules.numbering,
    log_rules.chain,
    log_rules.keys,
    log_rules.items,
    log_rules.queue,
    log_rules.turns,
    client_rules.creations,
    client_rules.messages,
    client_rules.decisions,
    client_rules.stops,
    client_rules.answers,
    client_rules.finished,
    client_rules.rest,
    watch_rules.transcripts,
    world_rules.commands,
    world_rules.pull_requests,
    world_rules.sandboxes,
    world_rules.fence,
)


@dataclass(frozen=True)
class Verdict:
    """`broken`: `rule: what`, empty if all is well. `summary`: one line of figures."""

    broken: tuple[str, ...]
    summary: str


def judge(records: Path, log: Path, longest_takeover: float) -> Verdict:
    """Every rule on everything. `longest_takeover` in seconds, for 99 of 100."""
    history = read(records, log)
    broken = [f"{rule.__name__}: {what}" for rule in RULES for what in rule(history)]
    calm, disturbed = world_rules.takeovers(history)
    slow = _part(calm, 0.99)
    if slow > longest_takeover:
        broken.append(f"takeovers: 99 of 100 within {slow:.2f} s, not {longest_takeover:.2f}")
    return Verdict(tuple(broken), _summary(history, calm, disturbed, len(broken)))


def _summary(history: History, calm: list[float], disturbed: list[float], broken: int) -> str:
    events = sum(map(len, history.logs.values()))
    marks = sum(len(marks) for marks in {line["session"]: line["marks"] for line in history.lines["marks"]}.values())
    return (
        f"{len(history.lines['fault'])} faults, {len(history.logs)} sessions, {events} events, {marks} commands, "
        f"{len(history.lines['end'])} operations answered, {len(history.lines['watch'])} watches, "
        f"{len(calm)} takeovers (p50 {_part(calm, 0.5):.2f} s, p99 {_part(calm, 0.99):.2f} s, "
        f"max {_part(calm, 1.0):.2f} s) and {len(disturbed)} disturbed by another fault "
        f"(max {_part(disturbed, 1.0):.2f} s), {broken} rules broken"
    )


def _part(gaps: list[float], part: float) -> float:
    return gaps[max(0, math.ceil(len(gaps) * part) - 1)] if gaps else 0.0
