"""The push parser and the rules for refs: what git writes passes, everything else is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.integrations.domain.pktline import FLUSH, encode
from services.integrations.gate.receive_pack import (
    BadPush,
    CommandReader,
    ForbiddenPush,
    PushRequest,
    refusal_report,
    refusals,
)

PREFIX = "lucid/ses_01JQ0000000000000000000000/"
OLD, NEW, ZERO = b"1" * 40, b"2" * 40, b"0" * 40
CAPABILITIES = b" report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.5"


def command(ref: bytes, old: bytes = OLD, new: bytes = NEW) -> bytes:
    return old + b" " + new + b" " + ref


def body(*lines: bytes, capabilities: bytes = CAPABILITIES) -> bytes:
    first, *others = lines
    return b"".join([encode(first + b"\0" + capabilities), *map(encode, others), FLUSH])


def parsed(data: bytes) -> PushRequest:
    reader = CommandReader()
    reader.feed(data)
    return reader.finish()


def good(name: str = "fix") -> bytes:
    return f"refs/heads/{PREFIX}{name}".encode()


def test_a_push_as_git_writes_it() -> None:
    reader = CommandReader()
    assert reader.feed(body(command(good()), command(good("b"))) + b"PACK...")
    push = reader.finish()
    assert [one.ref for one in push.commands] == [good(), good("b")]
    assert push.side_band
    assert push.reports
    assert reader.rest == b"PACK..."
    assert push.raw + reader.rest == body(command(good()), command(good("b"))) + b"PACK..."
    assert refusals(push, PREFIX) == {}


@given(st.lists(st.integers(min_value=1, max_value=400), max_size=12))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    data = body(command(good()), command(good("b")), command(b"refs/heads/main")) + b"PACK\0\1\2"
    reader, at = CommandReader(), 0
    for cut in [*cuts, len(data)]:
        reader.feed(data[at : at + cut])
        at += cut
    assert [one.ref for one in reader.finish().commands] == [good(), good("b"), b"refs/heads/main"]
    assert reader.finish().raw + reader.rest == data[: at if at < len(data) else None]


@settings(max_examples=2000, deadline=None)
@given(st.binary(max_size=600))
def test_no_bytes_do_harm(data: bytes) -> None:
    """Whatever comes: a push that may pass has only legal commands, or it is refused."""
    reader = CommandReader()
    try:
        reader.feed(data)
        push = reader.finish()
    except BadPush:
        return
    assert (
        not push.commands
        or refusals(push, PREFIX)
        or all(one.ref.startswith(f"refs/heads/{PREFIX}".encode()) for one in push.commands)
    )


@settings(max_examples=2000, deadline=None)
@given(st.data())
def test_one_changed_byte_never_widens_a_push(data: st.DataObject) -> None:
    whole = bytearray(body(command(good()), command(good("b"))))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    reader = CommandReader()
    try:
        reader.feed(bytes(whole))
        push = reader.finish()
    except BadPush:
        return
    if not refusals(push, PREFIX):
        assert all(one.ref.startswith(f"refs/heads/{PREFIX}".encode()) and not one.deletes for one in push.commands)


@pytest.mark.parametrize(
    "length",
    [b"+0a4", b" 0a4", b"0x0a", b"-004", b"00 4", b"0001", b"0002", b"0003", b"0004", b"zzzz", b"fff1", b"\xd9\xa100"],
)
def test_broken_lengths(length: bytes) -> None:
    reader = CommandReader()
    with pytest.raises(BadPush):
        reader.feed(length + b"x" * 200)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"push",
        command(good()) + b"\n",
        command(good()) + b" ",
        command(good()) + b"\0more",
        b" " + command(good()),
        command(good()).replace(b" ", b"  ", 1),
        command(good()).replace(b" ", b"\t", 1),
        command(good(), old=b"1" * 39),
        command(good(), old=b"1" * 41),
        command(good(), new=b"g" * 40),
        command(good(), new=b"A" * 40),
        command(good(), old=b"1" * 64),
        command(good() + b"\nrefs/heads/main"),
        b"shallow " + b"1" * 39,
        b"shallow main",
    ],
)
def test_broken_commands_after_a_good_one(line: bytes) -> None:
    data = encode(command(good()) + b"\0" + CAPABILITIES) + (encode(line) if line else b"0004") + FLUSH
    with pytest.raises(BadPush) as refused:
        parsed(data)
    assert refused.value.status == 400


@pytest.mark.parametrize("word", [b"push-options", b"push-cert=nonce", b"push-cert", b"push-options=1"])
def test_forbidden_capabilities(word: bytes) -> None:
    with pytest.raises(ForbiddenPush):
        parsed(body(command(good()), capabilities=b" report-status " + word))


def test_signed_push() -> None:
    with pytest.raises(ForbiddenPush):
        parsed(encode(b"push-cert\0" + CAPABILITIES) + FLUSH)


def test_second_nul_in_the_first_command() -> None:
    with pytest.raises(BadPush):
        parsed(encode(command(good()) + b"\0report-status\0push-options") + FLUSH)


def test_too_many_commands() -> None:
    parsed(body(*[command(good(f"b{n}")) for n in range(64)]))
    with pytest.raises(BadPush):
        parsed(body(*[command(good(f"b{n}")) for n in range(65)]))


def test_too_many_bytes_without_an_end() -> None:
    with pytest.raises(BadPush):
        parsed(encode(b"shallow " + b"1" * 40 + b"\n") * 4096)


def test_cut_off() -> None:
    with pytest.raises(BadPush):
        parsed(encode(command(good()) + b"\0" + CAPABILITIES))


BAD_NAMES = [
    b"refs/heads/main",
    b"refs/heads/lucid",
    b"refs/heads/lucid/",
    b"refs/heads/" + PREFIX.encode(),
    b"refs/heads/" + PREFIX.encode().rstrip(b"/"),
    b"refs/heads/lucid/ses_01JQ00000000000000000000001/x",
    b"refs/heads/lucid/ses_01jq0000000000000000000000/x",
    b"refs/tags/" + PREFIX.encode() + b"x",
    b"refs/notes/commits",
    b"refs/for/main",
    b"refs/pull/1/head",
    b"refs/replace/" + OLD,
    b"HEAD",
    b"main",
    b"/" + good(),
    b"refs//heads/" + PREFIX.encode() + b"x",
    b"refs/heads/./" + PREFIX.encode() + b"x",
    good("../../main"),
    good(".."),
    good("a..b"),
    good("a//b"),
    good("/a"),
    good(".a"),
    good("a/.b"),
    good("a/./b"),
    good("a./b"),
    good("a."),
    good("a/"),
    good("a.lock"),
    good("a.lock/b"),
    good("-a"),
    good("a~1"),
    good("a^"),
    good("a:b"),
    good("a?"),
    good("a*"),
    good("a[b"),
    good("a\\b"),
    good("a@{1}"),
    good("a%2e"),
    good("ä"),
    good("a\x7f"),
    good("a" * 201),
]


@pytest.mark.parametrize("ref", BAD_NAMES)
def test_names_that_may_not_be_pushed(ref: bytes) -> None:
    push = parsed(body(command(ref), command(good("innocent"))))
    assert set(refusals(push, PREFIX)) == {ref, good("innocent")}


@pytest.mark.parametrize("name", ["fix", "a/b/c", "1", "A.b_c-d", "a" * 200, "lock", "x.locked"])
def test_names_that_may(name: str) -> None:
    assert refusals(parsed(body(command(good(name)))), PREFIX) == {}


def test_deleting_is_refused() -> None:
    reasons = refusals(parsed(body(command(good(), new=ZERO))), PREFIX)
    assert reasons == {good(): "branches cannot be deleted from this session"}


def test_the_same_ref_twice_is_refused() -> None:
    assert refusals(parsed(body(command(good()), command(good(), new=b"3" * 40))), PREFIX) == {good(): "named twice"}


def test_report_in_side_band() -> None:
    push = parsed(body(command(b"refs/heads/main")))
    report = refusal_report(push, refusals(push, PREFIX))
    inner = encode(b"unpack ok\n") + encode(
        f"ng refs/heads/main only {PREFIX}* may be pushed from this session\n".encode()
    )
    assert report == encode(b"\x01" + inner + FLUSH) + FLUSH


def test_report_without_side_band() -> None:
    push = parsed(body(command(b"refs/heads/main"), capabilities=b"report-status"))
    assert refusal_report(push, {b"refs/heads/main": "no"}) == (
        encode(b"unpack ok\n") + encode(b"ng refs/heads/main no\n") + FLUSH
    )
