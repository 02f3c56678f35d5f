"""How a command is followed between its start and its end."""

from pathlib import Path

import pytest

from services.sandbox.guest import command as commands
from services.sandbox.guest.command import Command, Terms
from services.sandbox.guest.following import WINDOW, Follower


@pytest.fixture
def command(tmp_path: Path) -> Command:
    made = Command("key", str(tmp_path), Terms("/"))
    made.log.append(b"x" * (2 * WINDOW))
    return made


@pytest.mark.parametrize(
    ("positions", "room"), [((), True), ((0,), False), ((WINDOW + 1,), True), ((0, WINDOW + 1), True), ((0, 1), False)]
)
def test_the_fastest_follower_sets_the_pace(command: Command, positions: tuple[int, ...], room: bool) -> None:
    for position in positions:
        command.follow(Follower(position))
    assert command._room() is room
    for follower in command.followers:
        command.unfollow(follower)
    assert command._room()


def test_what_has_no_offset_is_only_counted(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets have 32 bits; a follower that has read so far holds nothing up."""
    monkeypatch.setattr(commands, "MAX_TOTAL", 100)
    command.follow(Follower(100))
    assert command._room()
    assert (command.sendable, command.outcome("/", 0)["total"]) == (100, 100)
