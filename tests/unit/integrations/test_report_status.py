"""Reading a provider's report: only a whole, well-formed one says that a ref has moved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.integrations.domain.pktline import FLUSH, encode
from services.integrations.gate.report_status import ReportReader

REPORT = b"".join(map(encode, [b"unpack ok\n", b"ok refs/heads/a\n", b"ng refs/heads/b stale\n", b"ok refs/heads/c\n"]))


def banded(report: bytes, size: int = 9) -> bytes:
    pieces = [encode(b"\x01" + report[at : at + size]) for at in range(0, len(report), size)]
    return b"".join([encode(b"\x02Resolving deltas\n"), *pieces, encode(b"\x02done\n"), FLUSH])


@given(st.lists(st.integers(1, 40), max_size=20))
def test_side_band_in_any_pieces(cuts: list[int]) -> None:
    data, at = banded(REPORT + FLUSH), 0
    reader = ReportReader(side_band=True)
    for cut in [*cuts, len(data)]:
        reader.feed(data[at : at + cut])
        at += cut
    reader.feed(data[at:])
    assert reader.complete
    assert reader.accepted == (b"refs/heads/a", b"refs/heads/c")


def test_plain() -> None:
    reader = ReportReader(side_band=False)
    reader.feed(REPORT + FLUSH)
    assert reader.complete
    assert reader.accepted == (b"refs/heads/a", b"refs/heads/c")


def test_report_status_v2_options_are_passed_over() -> None:
    reader = ReportReader(side_band=False)
    reader.feed(
        encode(b"unpack ok\n") + encode(b"ok refs/heads/a\n") + encode(b"option refname refs/heads/z\n") + FLUSH
    )
    assert reader.accepted == (b"refs/heads/a",)


def test_a_pack_that_was_not_unpacked_moved_nothing() -> None:
    reader = ReportReader(side_band=False)
    reader.feed(encode(b"unpack index-pack abnormal exit\n") + encode(b"ok refs/heads/a\n") + FLUSH)
    assert reader.complete
    assert reader.accepted == ()


@pytest.mark.parametrize("data", [b"<html>", REPORT, encode(b"\x03fatal: no\n") + FLUSH, b"000g"])
def test_what_is_not_whole_is_not_complete(data: bytes) -> None:
    reader = ReportReader(side_band=True)
    reader.feed(data)
    assert not reader.complete


def test_an_endless_report_is_given_up() -> None:
    reader = ReportReader(side_band=False)
    for _ in range(600):
        reader.feed(encode(b"ok refs/heads/" + b"a" * 1000))
    reader.feed(FLUSH)
    assert not reader.complete
    assert reader.accepted == ()


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_do_harm(data: bytes, side_band: bool) -> None:
    reader = ReportReader(side_band)
    reader.feed(data)
    assert isinstance(reader.accepted, tuple)
