"""The egress proxy's two parsers on what nobody has thought of: random requests and hellos, the same for the same seed.

`EGRESS_FUZZ=1000000` runs as many of each. OpenSSL is asked, too: it must not read another name than we do.
"""

import contextlib
import os
import random
import re
import ssl

import pytest

from services.sandbox.backends.egress.client_hello import MAX_HELLO, HelloReader
from services.sandbox.backends.egress.refusal import Refused
from services.sandbox.backends.egress.request import parse
from services.sandbox.domain.network import HostRule, NetworkPolicy, host_rule, is_name
from tests.grounds.certificates import make_authority
from tests.grounds.hello import hello, real_hello, records, server_names

ROUNDS = int(os.environ.get("EGRESS_FUZZ") or 10_000)
HEADS = [
    b"CONNECT packages.lucid.test:443 HTTP/1.1\r\nHost: packages.lucid.test:443\r\n\r\n",
    b"CONNECT a.b:8443 HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\nUser-Agent: pip/25\r\n\r\n",
    b"CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n",
    b"GET http://evil.example:80/x HTTP/1.1\r\nHost: evil.example\r\n\r\n",
]
PIECES = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b":",
    b"443",
    b"@",
    b"[::1]",
    b"0x7f",
    b".",
    b"%00",
    "ⓐ".encode(),
    b"\xff",
]
PIECES += [b"Host: evil.example\r\n", b"Content-Length: 1\r\n", b"CONNECT evil.example:443 HTTP/1.1\r\n", b"-", b"/"]
TARGET = re.compile(rb"CONNECT ([A-Za-z0-9.-]+):([1-9][0-9]{0,4}) HTTP/1\.[01]\r\n")


def mutated(chance: random.Random, text: bytes, pieces: list[bytes]) -> bytes:
    data = bytearray(text)
    for _ in range(chance.randint(0, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(4):
            case 0:
                data[place:place] = chance.choice(pieces)
            case 1:
                del data[place : place + chance.randint(1, 5)]
            case 2:
                data[place : place + 1] = chance.randbytes(1)
            case _:
                data[place:place] = data[chance.randrange(len(data) + 1) :][: chance.randint(1, 40)]
    return bytes(data)


def test_a_request_is_refused_or_means_one_thing() -> None:
    chance = random.Random("requests")
    passed, told_plainly = 0, True
    for _ in range(ROUNDS):
        head = mutated(chance, chance.choice(HEADS), PIECES)
        try:
            target = parse(head)
        except Refused as refused:
            words = refused.words(NetworkPolicy())
            told_plainly &= words.isascii() and words.isprintable()
            continue
        passed += 1
        match = TARGET.match(head)
        assert match is not None
        assert (match[1].decode().lower(), int(match[2])) == (target.host, target.port)
        assert is_name(target.host)
        assert head.count(b"\r\n\r\n") == 1
        assert head.endswith(b"\r\n\r\n")
        hosts = re.findall(rb"(?im)^host:[ \t]*(\S+)", head)
        assert all(host.lower().partition(b":")[0].decode() == target.host for host in hosts)
    assert told_plainly
    assert passed > ROUNDS / 20, "some must pass, or nothing was tested"


def name_in(raw: bytes, cuts: list[int]) -> str | None:
    """What the reader says, given the bytes in pieces: "" for a refusal, None where it waits for more."""
    reader, at = HelloReader(), 0
    try:
        for cut in [*cuts, len(raw)]:
            name = reader.feed(raw[at:cut])
            at = cut
            if name is not None:
                return name
    except Refused:
        return ""
    finally:
        assert len(reader.raw) <= len(raw)
    assert len(reader.raw) < MAX_HELLO * 2 + 5 * 64, "it does not wait for ever"
    return None


class Openssl:
    """A server that is asked which name it has read."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context
        self.read: list[str | None] = []
        context.sni_callback = lambda way, name, context: self.read.append(name)

    def name(self, raw: bytes) -> list[str | None]:
        self.read.clear()
        incoming = ssl.MemoryBIO()
        incoming.write(raw)
        with contextlib.suppress(ssl.SSLError, UnicodeError):
            self.context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True).do_handshake()
        return list(self.read)


def test_a_hello_is_refused_or_names_what_openssl_reads_too(tmp_path) -> None:
    chance = random.Random("hellos")
    openssl = Openssl(make_authority(tmp_path).server("packages.lucid.test"))
    named = 0
    whole = [real_hello("packages.lucid.test"), real_hello("a.b"), real_hello(None)]
    pieces = [b"\0", b"\0\0", b"\xff\xff", b"\x16\x03\x01", server_names(b"evil.example"), b"\xfe\x0d", b"\x01"]
    for _ in range(ROUNDS):
        message = chance.choice(whole)[5:]
        if chance.random() < 0.3:
            names = [chance.choice([b"a.b", b"evil.example", b"", b"x" * 300]) for _ in range(chance.randint(0, 2))]
            message = hello([(0, server_names(*names)), (chance.choice([0, 10, 21, 0xFE0D]), b"\0\1\0")])
        raw = records(mutated(chance, message, pieces) or b"\1", size=chance.choice([16384, 200, 50, 7]))
        if chance.random() < 0.2:
            raw = mutated(chance, raw, pieces)
        cuts = sorted(chance.sample(range(len(raw) + 1), min(len(raw), chance.randint(0, 6))))
        name = name_in(raw, [])
        assert name_in(raw, cuts) == name, "it does not matter how TCP cuts it"
        if name:
            named += 1
            assert name.isascii()
            assert all(read is None or read.lower() == name for read in openssl.name(raw))
    assert named > ROUNDS / 20, "some must pass, or nothing was tested"


def test_openssl_is_really_asked(tmp_path) -> None:
    openssl = Openssl(make_authority(tmp_path).server("packages.lucid.test"))
    assert openssl.name(real_hello("some.example")) == ["some.example"]


@pytest.mark.parametrize(
    "text", ["", "a b", "*", "*.", "1.2.3.4", "[::1]", "0x7f.1", "a:0", "a:65536", "a:", "http://a", "ä.b"]
)
def test_rules_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="no host that can be allowed"):
        host_rule(text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("A.Example", HostRule("a.example")),
        (" a.example:8443 ", HostRule("a.example", 8443)),
        ("*.a.example", HostRule("a.example", below=True)),
        ("intern", HostRule("intern")),
    ],
)
def test_rules_that_are_some(text: str, rule: HostRule) -> None:
    assert host_rule(text) == rule
    assert host_rule(str(rule)) == rule
