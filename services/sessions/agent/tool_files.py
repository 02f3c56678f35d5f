"""view_file and edit_file."""

from collections.abc import Mapping
from typing import Any

from lucid.sessions.v1.event_pb2 import FileEdited

from services.sessions.agent.arguments import BadArgument, integer, required, text_of
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, clip, parameters
from services.sessions.agent.workspace import changes_since, rooted
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.work import CreateFile, FileContent, FileEdit, InsertText, ReplaceText

READ_LIMIT = 1024 * 1024
LINES_SHOWN = 400
LINE_LENGTH = 2000
VIEW_LENGTH = 40_000
DIFF_LENGTH = 8000


async def view_file(run: ToolRun) -> ToolAnswer:
    """Shows numbered lines of a file."""
    path = required(run.args, "path")
    start = integer(run.args, "start_line", 1, 1, 10**9)
    end = integer(run.args, "end_line", start + LINES_SHOWN - 1, start, start + 2 * LINES_SHOWN)
    journal = run.journal
    content = await journal.ports.workspace.read(journal.record, rooted(journal, path), 0, READ_LIMIT)
    return ToolAnswer(_numbered(path, content, start, end))


def _numbered(path: str, content: FileContent, start: int, end: int) -> str:
    if b"\0" in content.data[:8000]:
        return f"{path} is a binary file of {content.size} bytes."
    lines = content.data.decode(errors="replace").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    shown = [f"{start + i:6d}\t{line[:LINE_LENGTH]}" for i, line in enumerate(lines[start - 1 : end])]
    if not shown:
        return f"{path} has {len(lines)} lines; there is nothing at line {start}."
    notes = [f"[lines {start} to {start + len(shown) - 1} of {len(lines)}]"] if len(shown) < len(lines) else []
    if content.size > len(content.data):
        notes.append(f"[the first {len(content.data)} of {content.size} bytes were read; see the rest by run_command]")
    return clip("\n".join(shown), VIEW_LENGTH) + "".join(f"\n{note}" for note in notes)


async def edit_file(run: ToolRun) -> ToolAnswer:
    """Changes a file and tells what changed, by comparing trees."""
    path, journal = required(run.args, "path"), run.journal
    await journal.ports.workspace.edit(journal.record, run.item_id, rooted(journal, path), edit_of(run.args))
    drafts = await changes_since(journal, run.item_id, FileEdited.VIA_TOOL)
    diffs = [draft.event.file_edited.unified_diff for draft in drafts if draft.event.HasField("file_edited")]
    text = clip("\n".join(diffs), DIFF_LENGTH) if diffs else f"{path} was written; its content is as it was before."
    return ToolAnswer(text, drafts=drafts)


def edit_of(args: Mapping[str, Any]) -> FileEdit:
    """The edit that a call asks for. Raises BadArgument."""
    match required(args, "command"):
        case "create":
            return CreateFile(text_of(args, "content"), overwrite=args.get("overwrite") is True)
        case "replace" | "str_replace":
            old = text_of(args, "old_text")
            if not old:
                raise BadArgument("`old_text` is missing: give the exact text to replace.")
            return ReplaceText(old, text_of(args, "new_text"))
        case "insert":
            return InsertText(integer(args, "after_line", 0, 0, 10**9), text_of(args, "text"))
        case other:
            raise BadArgument(f"`command` must be create, replace or insert, not {other!r}.")


def _edit_title(args: Mapping[str, Any]) -> str:
    verb = {"create": "Create", "insert": "Insert into"}.get(str(args.get("command")), "Edit")
    return f"{verb} {args.get('path', 'a file')}"


VIEW_FILE = Tool(
    ToolSpec(
        "view_file",
        "Shows a text file with line numbers, 400 lines at a time unless you ask for a range. To find something use "
        "search_files, for a folder run_command with ls.",
        parameters(
            {
                "path": {"type": "string", "description": "Relative to the repository, or absolute."},
                "start_line": {"type": "integer", "minimum": 1},
                "end_line": {"type": "integer", "minimum": 1},
            },
            "path",
        ),
    ),
    lambda args: f"View {args.get('path', 'a file')}",
    view_file,
)
EDIT_FILE = Tool(
    ToolSpec(
        "edit_file",
        "Changes one text file and answers with the diff. `create` writes a new file (`content`; `overwrite` to "
        "replace an existing one). `replace` puts `new_text` in place of `old_text`, which must occur exactly once: "
        "copy it exactly, with its indentation and without line numbers. `insert` puts `text` after line "
        "`after_line` (0 = at the beginning).",
        parameters(
            {
                "command": {"type": "string", "enum": ["create", "replace", "insert"]},
                "path": {"type": "string", "description": "Relative to the repository, or absolute."},
                "content": {"type": "string"},
                "overwrite": {"type": "boolean"},
                "old_text": {"type": "string"},
                "new_text": {"type": "string"},
                "after_line": {"type": "integer", "minimum": 0},
                "text": {"type": "string"},
            },
            "command",
            "path",
        ),
    ),
    _edit_title,
    edit_file,
)
