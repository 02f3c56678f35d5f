"""What the model is told of a rewind."""

from collections.abc import Sequence

from lucid.sessions.v1.event_pb2 import CheckpointCreated

REWIND = "rewind"
MOST_PATHS = 40


def rewound(paths: Sequence[str], created: CheckpointCreated) -> str:
    """For the model, in the place of what it knows of these files."""
    names = ", ".join(paths[:MOST_PATHS])
    more = max(created.files, len(paths)) - len(paths[:MOST_PATHS])
    changed = f"{names} and {more} more" if more and names else names or "none: they were so already"
    text = (
        "[Lucid] The person has put the files of the workspace back to how they were at an earlier step. "
        f"Changed by this: {changed}. What you knew of these files is out of date: read them again before you edit. "
        "Commits, branches and ignored files are as they were."
    )
    if created.left:
        text += f" Could not be put back: {', '.join(created.left[:MOST_PATHS])}."
    return text
