"""What the scripted model says: it works through the plan in the person's messages, one step a call.

A step is `kind:id` or `kind:id:size`; its id is in the call's arguments. The next step is the first whose id was not
called yet, so a model that is asked again, by whichever owner, says the same again.
"""

import json
import re
from typing import Any

from tests.fakes.model_server import Say

MARKS = "/workspace/marks"
STEP = re.compile(r"\b(mark|slow|talk|ask|push|pr|edit):([a-z0-9-]+)(?::(\d+))?")


def answer(messages: list[dict[str, Any]]) -> Say:
    """The next step of the plan, or its end."""
    asked = " ".join(_text(message) for message in messages if message["role"] == "user")
    called = json.dumps([message.get("tool_calls") for message in messages if message["role"] == "assistant"])
    for kind, name, size in STEP.findall(asked):
        if not re.search(rf"\b{name}\b", called):
            return _step(kind, name, int(size or 0), messages)
    return Say("All of it is done.", calls=[("finish", {"summary": "Every step is done."})])


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else json.dumps(content)


def _step(kind: str, name: str, size: int, messages: list[dict[str, Any]]) -> Say:
    words = [f"{name}-{number} " for number in range(size if kind == "talk" else 3)]
    call: tuple[str, dict[str, Any]] = ("run_command", {"command": _command(kind, name, size, messages)})
    if kind == "ask":
        call = ("ask_user", {"question": f"{name}: red or blue?", "options": ["red", "blue"]})
    elif kind == "pr":
        call = ("open_pull_request", {"title": f"Change {name}", "body": "Tested."})
    elif kind == "edit":
        call = ("edit_file", {"command": "create", "path": f"{name}.txt", "content": f"{name}\n"})
    return Say("".join(words), pieces=words, calls=[call], delay=0.02)


def _command(kind: str, name: str, size: int, messages: list[dict[str, Any]]) -> str:
    mark = f"echo {name} >> {MARKS}"
    if kind == "slow":
        return f"{mark}; for n in $(seq {size}); do echo tick $n of {name}; sleep 0.1; done"
    if kind == "push":
        found = re.search(r"lucid/(ses_\w+)/", _text(messages[0]))
        branch = f"lucid/{found[1] if found else ''}/change"
        commit = f"echo {name} > {name}.txt && git add {name}.txt && git commit -qm 'Add {name}'"
        return f"{mark}; git switch -qc {branch} 2>/dev/null; {commit} && git push -q -u origin {branch}"
    return mark
