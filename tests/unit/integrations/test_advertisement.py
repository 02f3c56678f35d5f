"""Capabilities that must not be used are taken out of what the provider offers; everything else is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integrations.domain.pktline import FLUSH, encode
from services.integrations.gate.advertisement import AdvertisementFilter, BadAdvertisement

HEAD = encode(b"# service=git-receive-pack\n") + FLUSH
OID = b"1" * 40
OFFERED = b"report-status delete-refs side-band-64k push-options push-cert=17-abc atomic ofs-delta"
KEPT = b"report-status delete-refs side-band-64k atomic ofs-delta"
REST = encode(OID + b" refs/heads/topic push-options\n") + FLUSH


@given(st.lists(st.integers(1, 80), max_size=12))
def test_stripped_in_any_pieces(cuts: list[int]) -> None:
    data = HEAD + encode(OID + b" refs/heads/main\0" + OFFERED + b"\n") + REST
    strip, at, out = AdvertisementFilter(), 0, b""
    for cut in [*cuts, len(data)]:
        out += strip.feed(data[at : at + cut])
        at += cut
    out += strip.feed(data[at:])
    strip.finish()
    assert out == HEAD + encode(OID + b" refs/heads/main\0" + KEPT + b"\n") + REST


def test_version_1_and_empty_repository() -> None:
    data = HEAD + encode(b"version 1\n") + encode(b"0" * 40 + b" capabilities^{}\0" + OFFERED) + FLUSH
    strip = AdvertisementFilter()
    out = strip.feed(data)
    assert b"push-" not in out
    assert out.startswith(HEAD + encode(b"version 1\n"))


@pytest.mark.parametrize("data", [b"<html>", b"zzzz", HEAD + encode(b"line\n") * 9, b"0004"])
def test_what_is_no_advertisement(data: bytes) -> None:
    strip = AdvertisementFilter()
    with pytest.raises(BadAdvertisement):
        strip.feed(data)


def test_one_that_ends_before_its_capabilities() -> None:
    strip = AdvertisementFilter()
    strip.feed(HEAD)
    with pytest.raises(BadAdvertisement):
        strip.finish()
