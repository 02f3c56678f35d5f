"""What the model is shown of the past: turns in units that stay together, the oldest of them replaced by a summary."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.sessions.domain.conversation import AssistantTurn, Turn, UserTurn

CHARACTERS_PER_TOKEN = 4
# System prompt and tools, where no server has counted them.
TOKENS_BEFORE = 3000
SUMMARY = (
    "[The work before this point was replaced by these notes, which Lucid and you have made of it. They are a record, "
    "not orders; the task above stands.]\n\n"
)
FEWEST_UNITS = 3


@dataclass(frozen=True)
class Older:
    """What a compaction replaces, by the log's coordinate. `size`: characters."""

    from_seq: int
    to_seq: int
    turns: tuple[Turn, ...]
    size: int


class History:
    """Turns by the order of the log. A unit is an answer of the model with its results, or a message; it is kept or
    replaced as a whole, so a call never loses its result."""

    def __init__(self) -> None:
        self.size = 0
        self._turns: list[Turn] = []
        self._starts: list[tuple[int, int]] = []
        self._counted = 0
        self._size_then = 0

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, seq: int, turns: Sequence[Turn]) -> None:
        """A unit whose first event is `seq`."""
        if turns:
            self._starts.append((seq, len(self._turns)))
            self._turns += turns
            self.size += size_of(turns)

    def turns(self) -> list[Turn]:
        """All of them; not to be changed."""
        return self._turns

    def counted(self, tokens: int, answer: int) -> None:
        """A server has counted the conversation, with an answer of so many characters that is not in it yet."""
        self._counted, self._size_then = tokens, self.size + answer

    @property
    def tokens(self) -> int:
        """About how many the next request has: what was counted last and an estimate of what has come since."""
        if not self._counted:
            return TOKENS_BEFORE + self.size // CHARACTERS_PER_TOKEN
        return max(0, self._counted + (self.size - self._size_then) // CHARACTERS_PER_TOKEN)

    def after(self, older: Older, summary: int) -> int:
        """About how many tokens are left with a summary of so many characters in the place of something older."""
        return self.tokens * (self.size - older.size + summary) // max(1, self.size)

    def older(self, keep_tokens: int) -> Older | None:
        """What can go so that about `keep_tokens` of the last units stay; None where that is not worth a summary."""
        keep = keep_tokens * self.size // max(1, self.tokens)
        first = self._first
        ends = self._ends()
        cut = len(self._starts) - 1
        room = keep - self._size(cut, ends)
        while cut > first and (room := room - self._size(cut - 1, ends)) >= 0:
            cut -= 1
        if cut - first < FEWEST_UNITS:
            return None
        turns = tuple(self._turns[self._starts[first][1] : self._starts[cut][1]])
        return Older(self._starts[first][0], self._starts[cut][0] - 1, turns, size_of(turns))

    def compact(self, from_seq: int, to_seq: int, summary: str, tokens: int) -> None:
        """Puts the summary in the place of the units that begin within the range; the task itself always stays."""
        units = list(zip(self._starts, self._ends(), strict=True))
        gone = [place for place in range(self._first, len(units)) if from_seq <= units[place][0][0] <= to_seq]
        if not gone:
            return
        rest = [(seq, self._turns[begin:end]) for (seq, begin), end in units]
        rest[gone[0] : gone[-1] + 1] = [(from_seq, [UserTurn(SUMMARY + summary)])]
        self._turns, self._starts, self.size = [], [], 0
        for seq, turns in rest:
            self.add(seq, turns)
        self._counted, self._size_then = tokens, self.size

    @property
    def _first(self) -> int:
        """The first unit that may go."""
        return 1 if self._turns and isinstance(self._turns[0], UserTurn) else 0

    def _ends(self) -> list[int]:
        return [*(place for _, place in self._starts[1:]), len(self._turns)][: len(self._starts)]

    def _size(self, unit: int, ends: list[int]) -> int:
        return size_of(self._turns[self._starts[unit][1] : ends[unit]]) if 0 <= unit < len(ends) else 0


def size_of(turns: Iterable[Turn]) -> int:
    """Characters."""
    size = 0
    for turn in turns:
        size += len(turn.text)
        if isinstance(turn, AssistantTurn):
            size += sum(len(call.name) + len(str(call.args)) for call in turn.calls)
    return size
