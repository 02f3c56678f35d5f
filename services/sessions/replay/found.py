"""A search's result made again from the text that it was shown as."""

import re

from lucid.sessions.v1.event_pb2 import ToolCallCompleted

from services.sessions.agent.arguments import plain
from services.sessions.agent.prompt import WORKSPACE
from services.sessions.agent.tool_search import SHOWN_LENGTH
from services.sessions.domain.work import FOUND_LENGTH, Found, FoundLine, SearchEnd

_NUMBERED = re.compile(r"^ *(\d+)\t(.*)$", re.DOTALL)


def found_again(done: ToolCallCompleted, names: bool, workdir: str) -> Found:
    """Lines that are shown as this text; those that had no room in it have none again."""
    facts = plain(done.result)
    lines: list[FoundLine] = []
    path = ""
    for shown in done.result_text.split("\n")[:-1]:
        numbered = None if names else _NUMBERED.match(shown)
        if numbered is None:
            path = _rooted(shown, workdir)
        if names:
            lines.append(FoundLine(path))
        elif numbered is not None:
            lines.append(FoundLine(path, int(numbered.group(1)), numbered.group(2)[:FOUND_LENGTH]))
    lines += [FoundLine("x" * SHOWN_LENGTH)] * (facts["matches"] - len(lines))
    return Found(tuple(lines), SearchEnd(facts["end"]), facts["searched"], facts["skipped"])


def _rooted(name: str, workdir: str) -> str:
    if name.startswith(f"{WORKSPACE}/") and workdir:
        return name.removeprefix(f"{WORKSPACE}/")
    return f"{workdir}/{name}" if workdir else name
