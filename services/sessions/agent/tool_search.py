"""search_files."""

import re
from collections.abc import Mapping
from typing import Any

from services.sessions.agent.arguments import BadArgument, flag, integer, text_of, texts
from services.sessions.agent.prompt import WORKSPACE
from services.sessions.agent.tool import Tool, ToolAnswer, ToolRun, one_line, parameters
from services.sessions.agent.workspace import rooted
from services.sessions.domain.conversation import ToolSpec
from services.sessions.domain.work import FOUND_LENGTH, Found, FoundLine, SearchEnd, Sought

DEFAULT_RESULTS, MOST_RESULTS = 100, 1000
SEARCH_SECONDS = 15
SHOWN_LENGTH = 20_000
QUERY_LENGTH, GLOBS, GLOB_LENGTH = 1000, 20, 300
ANY_NAME = "."
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


async def search_files(run: ToolRun) -> ToolAnswer:
    """Shows where a text, or files of a name, are."""
    journal = run.journal
    sought = sought_of(run.args, rooted(journal, text_of(run.args, "path")))
    found = await journal.ports.workspace.search(journal.record, sought)
    facts = {"matches": len(found.lines), "searched": found.files, "skipped": found.skipped, "end": found.end.value}
    return ToolAnswer(told(found, sought.names, journal.workdir), result=facts)


def sought_of(args: Mapping[str, Any], path: str) -> Sought:
    """The search that a call asks for. Raises BadArgument."""
    names, globs = flag(args, "names"), texts(args, "globs", GLOBS, GLOB_LENGTH)
    query, regex = text_of(args, "query"), flag(args, "regex")
    if not query and names and globs:
        query, regex = ANY_NAME, True
    if not query:
        raise BadArgument("`query` is missing: give the text to look for (with `names`, `globs` alone will do).")
    if "\n" in query or len(query) > QUERY_LENGTH:
        raise BadArgument(f"`query` is looked for line by line: at most {QUERY_LENGTH} characters, no newline.")
    return Sought(
        query=query,
        path=path,
        names=names,
        regex=regex,
        ignore_case=flag(args, "ignore_case"),
        globs=globs,
        hidden=flag(args, "hidden"),
        limit=integer(args, "max_results", DEFAULT_RESULTS, 1, MOST_RESULTS),
        time_ms=SEARCH_SECONDS * 1000,
    )


def told(found: Found, names: bool, workdir: str) -> str:
    """Each file's path with its lines below it, numbered as view_file numbers them; then how the search ended."""
    shown: list[str] = []
    room, path, count = SHOWN_LENGTH, None, 0
    for line in found.lines:
        parts = [] if line.path == path else [_named(line.path, workdir)]
        parts += [] if names else [f"{line.number:6d}\t{_whole(line)}"]
        room -= sum(len(part) + 1 for part in parts)
        if room < 0:
            break
        shown += parts
        path, count = line.path, count + 1
    return "\n".join([*shown, f"[{_end(found, names, count)}]"])


def _end(found: Found, names: bool, shown: int) -> str:
    thing, place = ("path", "path") if names else ("line", "file")
    if found.end is SearchEnd.TIME:
        return f"{_count(shown, thing)}; the search ran out of time: narrow it with path or globs"
    if found.end is SearchEnd.RESULTS or shown < len(found.lines):
        return f"the first {_count(shown, thing)}; there are more: narrow the search"
    skipped = f"; {found.skipped} left out: binary, too large or not to be opened" if found.skipped else ""
    return f"{_count(shown, thing) if shown else 'nothing found'}; {_count(found.files, place)} searched{skipped}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _named(path: str, workdir: str) -> str:
    """As the other tools take it; no name can look like more than one line."""
    inside = not workdir or path.startswith(f"{workdir}/")
    name = path.removeprefix(f"{workdir}/") if inside else f"{WORKSPACE}/{path}"
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", name)


def _whole(line: FoundLine) -> str:
    """The line, with a mark where only a part of it is shown."""
    return line.text if len(line.text) < FOUND_LENGTH else f"{line.text[:FOUND_LENGTH]} […]"


def _title(args: Mapping[str, Any]) -> str:
    globs = args.get("globs") or ""
    files = ", ".join(map(str, globs)) if isinstance(globs, list | tuple) else str(globs)
    what = str(args.get("query") or files or "files")
    where = f" in {args['path']}" if args.get("path") else ""
    return one_line(f"{'Find' if args.get('names') is True else 'Search for'} {what}{where}")


SEARCH_FILES = Tool(
    ToolSpec(
        "search_files",
        "Finds a text in the files of the workspace, line by line, or files by their paths (`names`). Answers with the "
        "path of each file and its matching lines with their numbers. Quicker than grep and find, and bounded. Left "
        "out are binary files, .git, node_modules, build products and, unless `hidden`, folders with a leading dot.",
        parameters(
            {
                "query": {
                    "type": "string",
                    "description": "The text to find; with `regex` a pattern of Python's re. With `names` and `globs` "
                    "it may be left out: then every path that the globs match is listed.",
                },
                "regex": {"type": "boolean"},
                "ignore_case": {"type": "boolean"},
                "names": {"type": "boolean", "description": "Look at the paths instead of the contents."},
                "path": {
                    "type": "string",
                    "description": "The folder to search, or one file: relative to the repository, or absolute. "
                    "Default: the whole repository.",
                },
                "globs": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "Only paths that match one of these, such as *.py or src/**/*.ts; with ! before it, "
                    "not those.",
                },
                "hidden": {"type": "boolean"},
                "max_results": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_RESULTS,
                    "description": f"Default: {DEFAULT_RESULTS}.",
                },
            }
        ),
    ),
    _title,
    search_files,
)
