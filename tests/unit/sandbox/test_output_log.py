"""The bounded log of an output."""

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.guest import output_log
from services.sandbox.guest.output_log import OutputLog


def replay(log: OutputLog, offset: int) -> list[tuple[int, bytes]]:
    parts: list[tuple[int, bytes]] = []
    while True:
        offset, data = log.read(offset, 7)
        if not data:
            return parts
        parts.append((offset, data))
        offset += len(data)


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(st.integers(1, 60), max_size=30), start=st.integers(0, 200), ends=st.integers(0, 400))
def test_what_is_kept_is_what_was_printed(tmp_path_factory: Any, chunks: list[int], start: int, ends: int) -> None:
    """Sizes are made small, so that the ring turns many times."""
    before = output_log.FIRST, output_log.LAST, output_log.ENDS
    output_log.FIRST, output_log.LAST, output_log.ENDS = 50, 40, 10
    try:
        folder = tmp_path_factory.mktemp("log")
        whole = bytes(number % 251 for number in range(sum(chunks)))
        log, position = OutputLog(str(folder)), 0
        for size in chunks:
            log.append(whole[position : position + size])
            position += size
        log.close()
        log = OutputLog(str(folder))  # as a helper finds it that comes after a crash
        assert log.total == len(whole)
        kept = replay(log, start)
        assert all(whole[offset : offset + len(data)] == data for offset, data in kept)
        missing = set(range(start, len(whole))) - {o + i for o, data in kept for i in range(len(data))}
        assert missing == set(range(max(50, start), len(whole) - 40))
        end = min(ends, len(whole))
        if end == len(whole):
            assert log.ends(end) == ((whole, b"") if end <= 20 else (whole[:10], whole[-10:]))
        log.close()
    finally:
        output_log.FIRST, output_log.LAST, output_log.ENDS = before


def test_a_full_disk_loses_bytes_and_not_the_count(tmp_path: Path) -> None:
    log = OutputLog(str(tmp_path))
    log.append(b"first")
    real, log._head = log._head, -1  # every write fails from here on
    log.append(b"second")
    log._head = real
    assert (log.total, log.read(0, 100)) == (11, (0, b"first"))
    log.close()


def test_a_disk_that_takes_no_more_files_loses_the_ring_and_not_the_count(tmp_path: Path) -> None:
    log = OutputLog(str(tmp_path))
    log.append(b"x" * output_log.FIRST)
    (tmp_path / "tail").mkdir()  # in the ring's place: it cannot be opened
    log.append(b"lost")
    assert (log.total, log.read(output_log.FIRST, 10)) == (output_log.FIRST + 4, (output_log.FIRST, b""))
    assert log.ends(log.total)[0] == b"x" * output_log.ENDS
    (tmp_path / "tail").rmdir()
    log.append(b"kept")
    assert log.read(output_log.FIRST + 4, 10) == (output_log.FIRST + 4, b"kept")
    log.close()
