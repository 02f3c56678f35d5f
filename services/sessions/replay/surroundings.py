"""What the sandbox of a recording was made with, as far as the log tells."""

import re
from collections.abc import Iterable

from lucid.sessions.v1.event_pb2 import Event

from services.sessions.agent.setup import STRICT
from services.sessions.domain.environment import Environment
from services.sessions.domain.state import SETUP, SURROUNDED

_VARIABLES = re.compile(r"variables (.+)\.$")


def environment_of(events: Iterable[Event]) -> Environment:
    """Image, variables (their names; the log holds no values) and set-up script, by the first events that tell."""
    image, setup, seconds = "", "", 0
    variables: dict[str, str] = {}
    for event in events:
        if event.labels.get(SURROUNDED) and not image and not variables:
            made = event.sandbox_changed
            found = _VARIABLES.search(made.message)
            variables = dict.fromkeys(found.group(1).split(", "), "") if found else {}
            image = made.image if f"image {made.image}" in made.message else ""
        if event.HasField("command_started") and event.labels.get(SETUP) and not setup:
            setup = event.command_started.command.removeprefix(STRICT)
            seconds = event.command_started.timeout_ms // 1000
    return Environment(image, setup, seconds, variables)


def next_surroundings(ahead: Iterable[Event]) -> Event | None:
    """The event that says that the sandbox was made again now; None where it was as wanted."""
    for event in ahead:
        if event.labels.get(SURROUNDED):
            return event
        if not (event.HasField("status_changed") or event.HasField("error")):
            return None
    return None
