"""What a failed file operation is called: the same word for the same cause, whatever the call."""

import errno
import os

import pytest

from services.sandbox.domain.errors import BY_REASON
from services.sandbox.guest.beneath import refusal


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "DISK_FULL"),
        (errno.EDQUOT, "DISK_FULL"),
        (errno.EXDEV, "PATH_OUTSIDE_WORKSPACE"),
        (errno.ENOENT, "FILE_NOT_FOUND"),
        (errno.EISDIR, "NOT_A_FILE"),
        (errno.EROFS, "FILE_FORBIDDEN"),
        (errno.EIO, "FILE_FAILED"),
    ],
)
def test_errno_and_word(number: int, reason: str) -> None:
    assert refusal(OSError(number, os.strerror(number)), "x").reason == reason
    assert reason in BY_REASON
