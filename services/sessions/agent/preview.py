"""What an edit would change, before it is made."""

import difflib

from services.sessions.agent.arguments import required
from services.sessions.agent.tool import ToolRun, clip
from services.sessions.agent.tool_files import READ_LIMIT, edit_of
from services.sessions.agent.workspace import rooted
from services.sessions.domain.work import CreateFile, FileEdit, ReplaceText, ToolFailure

LONGEST_DIFF = 64 * 1024


async def preview(run: ToolRun) -> str:
    """A unified diff; empty where none can be made (then the tool says why). Raises BadArgument, ConnectionError."""
    path, edit, journal = required(run.args, "path"), edit_of(run.args), run.journal
    try:
        content = await journal.ports.workspace.read(journal.record, rooted(journal, path), 0, READ_LIMIT)
        before = content.data.decode()
    except (ToolFailure, UnicodeDecodeError):
        before = ""
    after = _applied(before, edit)
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="")
    return clip("\n".join(lines), LONGEST_DIFF)


def _applied(before: str, edit: FileEdit) -> str:
    if isinstance(edit, CreateFile):
        return edit.content
    if isinstance(edit, ReplaceText):
        return before.replace(edit.old_text, edit.new_text) if before.count(edit.old_text) == 1 else before
    lines = before.splitlines(keepends=True)
    text = edit.text if edit.text.endswith("\n") else edit.text + "\n"
    return "".join([*lines[: edit.after_line], text, *lines[edit.after_line :]])
