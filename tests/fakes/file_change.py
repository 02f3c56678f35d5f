"""What became of a file, as the sandbox would tell it."""

import difflib

from lucid.sessions.v1.event_pb2 import FileEdited


def file_change(name: str, before: str | None, after: str | None) -> FileEdited:
    """From one text to another; None = it is not there."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    diff = list(difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm=""))
    kind = FileEdited.KIND_MODIFIED
    if before is None or after is None:
        kind = FileEdited.KIND_ADDED if before is None else FileEdited.KIND_DELETED
    return FileEdited(
        path=name,
        kind=kind,
        unified_diff="\n".join(diff),
        added=sum(line.startswith("+") for line in diff[2:]),
        removed=sum(line.startswith("-") for line in diff[2:]),
    )
