"""The ways around the egress proxy that we know of, tried live from inside a sandbox. Each is refused, and told."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.launchers.egress_ground import HOST, WILD, Ground, egress_ground
from tests.fakes.gate import StandInGate
from tests.grounds.hello import hello, real_hello, records, said, server_names

pytestmark = pytest.mark.asyncio(loop_scope="module")
PRIVATE = "strict.lucid.test"  # allowed at port 443, but not trusted to lead to a private address


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with egress_ground(backend, tmp_path_factory.mktemp("attacks")) as made:
        yield made


def connect(authority: str, *headers: str) -> bytes:
    return "\r\n".join([f"CONNECT {authority} HTTP/1.1", *headers, "", ""]).encode("utf-8", "surrogateescape")


# The text of a case is filled in with HOST, WILD and the port of the one host that is allowed.
AUTHORITIES = {
    "dotted address": ("127.0.0.1:{port}", 403, "ADDRESS"),
    "hexadecimal address": ("0x7f000001:{port}", 403, "ADDRESS"),
    "decimal address": ("2130706433:{port}", 403, "ADDRESS"),
    "octal address": ("0177.0.0.1:{port}", 403, "ADDRESS"),
    "short address": ("127.1:{port}", 403, "ADDRESS"),
    "mixed address": ("0x7f.0.0.0x1:{port}", 403, "ADDRESS"),
    "zero": ("0:{port}", 403, "ADDRESS"),
    "address with a dot after it": ("127.0.0.1.:{port}", 403, "ADDRESS"),
    "IPv6 address": ("[::1]:{port}", 403, "ADDRESS"),
    "IPv6 address that wraps one of IPv4": ("[::ffff:127.0.0.1]:{port}", 403, "ADDRESS"),
    "IPv6 address without brackets": ("::ffff:127.0.0.1:{port}", 403, "ADDRESS"),
    "IPv6 address with a zone": ("[fe80::1%25eth0]:{port}", 403, "ADDRESS"),
    "metadata address": ("169.254.169.254:80", 403, "ADDRESS"),
    "name that ends in a number": ("{host}.1:{port}", 403, "ADDRESS"),
    "digits in circles": ("①②⑦.⓪.⓪.①:{port}", 400, "BAD_REQUEST"),
    "wide digits": ("１２７.０.０.１:{port}", 400, "BAD_REQUEST"),
    "wide letters": ("ｐackages.lucid.test:{port}", 400, "BAD_REQUEST"),
    "ideographic dot": ("packages。lucid。test:{port}", 400, "BAD_REQUEST"),
    "dotless i": ("fıles.lucid.test:{port}", 400, "BAD_REQUEST"),
    "soft hyphen": ("pack\u00adages.lucid.test:{port}", 400, "BAD_REQUEST"),
    "look-alike in punycode": ("xn--pckages-n4a.lucid.test:{port}", 403, "NOT_ALLOWED"),
    "dot after the name": ("{host}.:{port}", 403, "BAD_REQUEST"),
    "two dots in the name": ("packages..lucid.test:{port}", 403, "BAD_REQUEST"),
    "percent signs": ("%70ackages.lucid.test:{port}", 403, "BAD_REQUEST"),
    "user before the name": ("{host}@evil.example:{port}", 403, "BAD_REQUEST"),
    "name as the user": ("evil.example@{host}:{port}", 403, "BAD_REQUEST"),
    "name as a path": ("evil.example/{host}:{port}", 403, "BAD_REQUEST"),
    "name as a fragment": ("evil.example#{host}:{port}", 403, "BAD_REQUEST"),
    "name as a query": ("evil.example?{host}:{port}", 403, "BAD_REQUEST"),
    "backslash": ("evil.example\\{host}:{port}", 403, "BAD_REQUEST"),
    "NUL in the name": ("{host}\0.evil.example:{port}", 400, "BAD_REQUEST"),
    "tab in the name": ("{host}\t:{port}", 400, "BAD_REQUEST"),
    "no name": (":{port}", 403, "BAD_REQUEST"),
    "label of 64": ("a" * 64 + ".{wild}:{port}", 403, "BAD_REQUEST"),
    "name of 260": ("a." * 125 + "{wild}:{port}", 403, "BAD_REQUEST"),
    "no port": ("{host}", 403, "BAD_REQUEST"),
    "another port": ("{host}:22", 403, "NOT_ALLOWED"),
    "port 0": ("{host}:0", 403, "BAD_REQUEST"),
    "port over the end": ("{host}:65979", 400, "BAD_REQUEST"),
    "port with zeros": ("{host}:0{port}", 403, "BAD_REQUEST"),
    "port with a sign": ("{host}:+{port}", 403, "BAD_REQUEST"),
    "two ports": ("{host}:{port}:443", 403, "ADDRESS"),
    "name with the allowed one at its end": ("evil{wild}:{port}", 403, "NOT_ALLOWED"),
    "name with the allowed one before it": ("{wild}.evil.example:{port}", 403, "NOT_ALLOWED"),
    "what only names below are allowed for": ("{wild}:{port}", 403, "NOT_ALLOWED"),
    "below what is allowed only itself": ("a.{host}:{port}", 403, "NOT_ALLOWED"),
    "localhost": ("localhost:{port}", 403, "NOT_ALLOWED"),
    "metadata name": ("metadata.google.internal:80", 403, "NOT_ALLOWED"),
}
_GOOD = "CONNECT {host}:{port} HTTP/1.1\r\n"
REQUESTS = {
    "lines end in LF": ("CONNECT {host}:{port} HTTP/1.1\n\n\r\n\r\n", 400, "BAD_REQUEST"),
    "CR alone": ("CONNECT {host}:{port} HTTP/1.1\rX: y\r\n\r\n", 400, "BAD_REQUEST"),
    "line break in the goal": ("CONNECT evil.example\r\n:443 HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
    "two goals": ("CONNECT {host}:{port} evil.example:443 HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
    "tab between": ("CONNECT\t{host}:{port} HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
    "HTTP 0.9": ("CONNECT {host}:{port}\r\n\r\n", 400, "BAD_REQUEST"),
    "HTTP 2": ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "BAD_REQUEST"),
    "small letters": ("connect {host}:{port} HTTP/1.1\r\n\r\n", 405, "NOT_CONNECT"),
    "GET": ("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}\r\n\r\n", 405, "NOT_CONNECT"),
    "GET of https": ("GET https://{host}:{port}/ HTTP/1.1\r\nHost: {host}\r\n\r\n", 405, "NOT_CONNECT"),
    "GET of a path": ("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n", 405, "NOT_CONNECT"),
    "PUT": ("PUT http://{host}/p HTTP/1.1\r\nHost: {host}\r\nContent-Length: 3\r\n\r\nabc", 405, "NOT_CONNECT"),
    "OPTIONS": ("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n", 405, "NOT_CONNECT"),
    "body": (_GOOD + "Content-Length: 5\r\n\r\nhello", 400, "BAD_REQUEST"),
    "chunked body": (_GOOD + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "BAD_REQUEST"),
    "another Host": (_GOOD + "Host: evil.example\r\n\r\n", 400, "BAD_REQUEST"),
    "two Hosts": (_GOOD + "Host: {host}:{port}\r\nHost: {host}:{port}\r\n\r\n", 400, "BAD_REQUEST"),
    "folded header": (_GOOD + "X: a\r\n b\r\n\r\n", 400, "BAD_REQUEST"),
    "space before the colon": (_GOOD + "Content-Length : 5\r\n\r\n", 400, "BAD_REQUEST"),
    "header without a name": (_GOOD + ": x\r\n\r\n", 400, "BAD_REQUEST"),
    "65 headers": (_GOOD + "X: y\r\n" * 65 + "\r\n", 400, "BAD_REQUEST"),
    "header of 9,000": (_GOOD + "X: " + "y" * 9000 + "\r\n\r\n", 400, "BAD_REQUEST"),
    "line of 60,000": ("CONNECT " + "a" * 60000, 400, "BAD_REQUEST"),
    "TLS at once": ("\x16\x03\x01\x00\x05hello", 400, "BAD_REQUEST"),
    "SOCKS 5": ("\x05\x01\x00", 400, "BAD_REQUEST"),
    "SOCKS 4": ("\x04\x01\x01\x7f\x00", 400, "BAD_REQUEST"),
    "a forged preamble": ("LUCID/1 1\nLUCID/1 2\nCONNECT {host}:{port} HTTP/1.1\r\n\r\n", 400, "BAD_REQUEST"),
}
ADDRESSES = {
    "loopback": ["127.0.0.1"],
    "ten": ["10.0.0.1"],
    "one seven two": ["172.16.0.1"],
    "one nine two": ["192.168.1.1"],
    "metadata": ["169.254.169.254"],
    "carrier": ["100.64.0.1"],
    "multicast": ["224.0.0.1"],
    "broadcast": ["255.255.255.255"],
    "any": ["0.0.0.0"],
    "class E": ["240.0.0.1"],
    "IPv6 loopback": ["::1"],
    "IPv6 any": ["::"],
    "unique local": ["fd00::1"],
    "IPv6 metadata": ["fd00:ec2::254"],
    "link local": ["fe80::1"],
    "link local with a zone": ["fe80::1%lo"],
    "site local": ["fec0::1"],
    "IPv6 multicast": ["ff02::1"],
    "mapped": ["::ffff:10.0.0.1"],
    "mapped public": ["::ffff:8.8.8.8"],
    "compatible": ["::10.0.0.1"],
    "NAT64": ["64:ff9b::7f00:1"],
    "local NAT64": ["64:ff9b:1::a00:1"],
    "6to4": ["2002:7f00:1::"],
    "Teredo": ["2001:0:102:304::f5ff:fffe"],
    "one private beside a public": ["8.8.8.8", "10.0.0.1"],
    "one public beside a private": ["10.0.0.1", "8.8.8.8"],
}
_NAME = (0, server_names(HOST.encode()))
HELLOS = {
    "another name": (said("evil.example"), "OTHER_NAME"),
    "another allowed name": (said(f"a.{WILD}"), "OTHER_NAME"),
    "another name of a real client": (real_hello("evil.example"), "OTHER_NAME"),
    "no name of a real client": (real_hello(None), "NO_NAME"),
    "dot after the name": (said(f"{HOST}."), "OTHER_NAME"),
    "NUL after the name": (said(f"{HOST}\0"), "OTHER_NAME"),
    "name below": (said(f"a.{HOST}"), "OTHER_NAME"),
    "address as the name": (said("127.0.0.1"), "OTHER_NAME"),
    "letters of another alphabet": (records(hello([(0, server_names("ｐackages".encode()))])), "OTHER_NAME"),
    "empty name": (records(hello([(0, server_names(b""))])), "NO_NAME"),
    "two names": (records(hello([(0, server_names(HOST.encode(), b"evil.example"))])), "NO_NAME"),
    "name of another kind": (records(hello([(0, server_names(HOST.encode(), kind=1))])), "NO_NAME"),
    "no list of names": (records(hello([(0, b"")])), "NOT_TLS"),
    "name twice": (records(hello([_NAME, (0, server_names(b"evil.example"))])), "NOT_TLS"),
    "no extensions": (records(hello(None)), "NO_NAME"),
    "empty extensions": (records(hello([])), "NO_NAME"),
    "encrypted hello": (said(HOST, (0xFE0D, b"\0" * 40)), "HIDDEN_NAME"),
    "encrypted name": (said(HOST, (0xFFCE, b"\0" * 40)), "HIDDEN_NAME"),
    "bytes after the extensions": (records(hello([_NAME], tail=b"\0")), "NOT_TLS"),
    "another message after it": (records(hello([_NAME]) + hello([(0, server_names(b"evil.example"))])), "NOT_TLS"),
    "another name over three records": (records(hello([(0, server_names(b"evil.example"))]), size=30), "OTHER_NAME"),
    "server's hello": (records(hello([_NAME], kind=2)), "NOT_TLS"),
    "hello of 64 KiB": (records(hello([_NAME, (21, bytes(60000))])), "NOT_TLS"),
    "record too long": (b"\x16\x03\x01\xff\xff" + bytes(100), "NOT_TLS"),
    "empty records": (b"\x16\x03\x01\0\0" * 100, "NOT_TLS"),
    "records of one byte": (records(hello([_NAME, (21, bytes(100))]), size=1), "NOT_TLS"),
    "alerts": (b"\x15\x03\x01\0\2\1\0" * 200, "NOT_TLS"),
    "data of an open session": (b"\x17\x03\x03\0\x05hello", "NOT_TLS"),
    "SSL 2": (b"\x80\x2e\x01\x00\x02" + bytes(44), "NOT_TLS"),
    "plain http": (b"GET / HTTP/1.1\r\nHost: packages.lucid.test\r\n\r\n", "NOT_TLS"),
    "ssh": (b"SSH-2.0-OpenSSH_9.2\r\n", "NOT_TLS"),
    "a second CONNECT": (b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "NOT_TLS"),
}


def filled(ground: Ground, text: str) -> str:
    return text.format(host=HOST, wild=WILD, port=ground.port)


@pytest.mark.parametrize("case", AUTHORITIES)
async def test_a_goal_that_is_not_an_allowed_name(ground: Ground, case: str) -> None:
    authority, status, reason = AUTHORITIES[case]
    await _refused(ground, connect(filled(ground, authority)), status, reason)


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_request_that_could_be_read_in_two_ways(ground: Ground, case: str) -> None:
    request, status, reason = REQUESTS[case]
    await _refused(ground, filled(ground, request).encode("latin-1"), status, reason)


async def _refused(ground: Ground, request: bytes, status: int, reason: str) -> None:
    opened, asked = ground.server.opened, len(ground.asked)
    answer = await ground.talk(request)
    assert (answer.status, answer.reasons, answer.end) == (status, [reason], "closed")
    assert answer.got.partition(b"\r\n\r\n")[2].startswith(b"blocked: ")
    assert (ground.server.opened, len(ground.asked)) == (opened, asked), "nothing was looked up, nothing was called"


@pytest.mark.parametrize("case", ADDRESSES)
async def test_an_allowed_name_that_leads_to_no_public_address(ground: Ground, case: str) -> None:
    ground.names[PRIVATE] = [ADDRESSES[case]]
    opened = ground.server.opened
    answer = await ground.talk(connect(f"{PRIVATE}:443"))
    assert (answer.status, answer.reasons) == (403, ["PRIVATE_ADDRESS"])
    assert ground.server.opened == opened


async def test_a_name_is_looked_up_once_and_that_answer_is_called(ground: Ground) -> None:
    name = f"rebinding.{WILD}"
    ground.names[name] = [["127.0.0.1"], ["127.0.0.99"]]
    answer = await ground.talk(connect(f"{name}:{ground.port}"), "wait", said(name), "answer")
    assert (answer.status, ground.asked.count(name), answer.reasons) == (200, 1, [])
    assert answer.got.partition(b"\r\n\r\n")[2][:1] in (b"\x15", b"\x16"), "the host has answered"


async def test_a_name_that_turns_private_is_refused_the_next_time(ground: Ground) -> None:
    ground.names["rebinding.lucid.test"] = [["10.9.9.9"], ["8.8.8.8"]]
    assert (await ground.talk(connect("rebinding.lucid.test:443"))).reasons == ["PRIVATE_ADDRESS"]


@pytest.mark.parametrize("case", HELLOS)
async def test_what_follows_must_be_tls_for_the_same_server(ground: Ground, case: str) -> None:
    first, reason = HELLOS[case]
    seen = len(ground.server.seen)
    answer = await ground.talk(connect(f"{HOST}:{ground.port}"), "wait", first, close=True)
    assert (answer.status, answer.reasons) == (200, [reason])
    rest = answer.got.partition(b"\r\n\r\n")[2]
    assert rest in (b"", b"\x15\x03\x03\0\2\2\x70"), "nothing of the host comes back"
    assert len(ground.server.seen) == seen


async def _passes(ground: Ground, *parts: Any) -> None:
    answer = await ground.talk(*parts, "answer")
    assert (answer.status, answer.reasons, answer.end) == (200, [], "answered")
    assert answer.got.partition(b"\r\n\r\n")[2][:1] == b"\x16", "the host says its own hello"


async def test_a_good_hello_passes_however_it_is_cut(ground: Ground) -> None:
    good, goal = real_hello(HOST), connect(f"{HOST}:{ground.port}")
    cut = records(good[5:], size=100)
    await _passes(ground, goal, "wait", good)
    await _passes(ground, goal, "wait", cut)
    await _passes(ground, goal, "wait", *(cut[at : at + 40] for at in range(0, len(cut), 40)))
    await _passes(ground, goal + good)
    await _passes(ground, connect(f"{HOST.upper()}:{ground.port}"), "wait", good)


async def test_the_slow_are_sent_away(ground: Ground) -> None:
    goal = connect(f"{HOST}:{ground.port}")
    drops = [part for at in range(30) for part in (goal[at : at + 1], 0.2)]
    slow_head, no_end, slow_hello = await asyncio.gather(
        ground.talk(*drops), ground.talk(goal[:-2]), ground.talk(goal, "wait", real_hello(HOST)[:30])
    )
    assert (slow_head.reasons, no_end.reasons, slow_hello.reasons) == (["TOO_SLOW"],) * 3
    assert (no_end.status, no_end.end, slow_hello.end) == (408, "closed", "closed")


async def test_half_a_request_is_none(ground: Ground) -> None:
    answer = await ground.talk(b"CONNECT packages.lu", close=True)
    assert (answer.status, answer.reasons) == (400, ["BAD_REQUEST"])


async def test_who_says_nothing_is_told_nothing(ground: Ground) -> None:
    answer = await ground.talk(close=True)
    assert (answer.got, answer.end, answer.reasons) == (b"", "closed", [])


async def test_more_connections_than_a_sandbox_may_have(ground: Ground) -> None:
    ways = "[__import__('socket').create_connection(('127.0.0.1', 3128)) for _ in range(64)]"
    last = "w = __import__('socket').create_connection(('127.0.0.1', 3128)); print(w.recv(999).decode().split()[1])"
    ran = await ground.bench.run(f'python3 -c "held = {ways}; import time; time.sleep(0.3); {last}"')
    assert ran.output == b"503\n", ran.refusals
    assert "TOO_MANY" in {reason for _, _, reason in ran.refusals}


DIRECT = {
    "an address of the host": "s(2, 1).connect((HOSTS, 22))",
    "a public address": "s(2, 1).connect(('8.8.8.8', 443))",
    "the metadata address": "s(2, 1).connect(('169.254.169.254', 80))",
    "a neighbour": "s(2, 1).connect(('172.17.0.1', 80))",
    "IPv6": "s(10, 1).connect(('2001:4860:4860::8888', 443))",
    "a datagram": "s(2, 2).sendto(b'x', ('8.8.8.8', 53))",
    "broadcast": "w = s(2, 2); w.setsockopt(1, 6, 1); w.sendto(b'x', ('255.255.255.255', 9))",
    "multicast": "s(2, 2).sendto(b'x', ('224.0.0.251', 5353))",
    "a raw socket": "s(2, 3, 1)",
    "a packet socket": "s(17, 3, 3)",
    "a name": "socket.getaddrinfo('packages.lucid.test', 443)",
    "another resolver": "w = s(2, 2); w.connect(('127.0.0.53', 53)); w.send(b'x' * 20); w.settimeout(1); w.recv(1)",
    "a new network device": "import fcntl; fcntl.ioctl(open('/dev/net/tun'), 0x400454CA, b'x' * 40)",
    "a virtual machine's socket": "w = s(40, 1); w.connect((2, 1024))",
}


@pytest.mark.parametrize("case", DIRECT)
async def test_there_is_no_way_beside_the_sockets(ground: Ground, case: str) -> None:
    setup = "import socket; s = socket.socket; HOSTS = '" + _own_address() + "'"
    ran = await ground.bench.run(f'python3 -c "{setup}; {DIRECT[case]}"')
    assert ran.exit.exit_code == 1
    assert any(word in ran.output for word in (b"Error", b"gaierror", b"timeout"))


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))
            return str(way.getsockname()[0])
        except OSError:
            return "192.0.2.1"


async def test_nothing_but_loopback_is_there(ground: Ground) -> None:
    ran = await ground.bench.run("tail -n +3 /proc/net/dev | cut -d: -f1; tail -n +2 /proc/net/route")
    assert ran.output.split() == [b"lo"]


async def test_only_its_own_sockets_are_seen(ground: Ground) -> None:
    ran = await ground.bench.run(
        "find / /run -xdev -type s 2>/dev/null; ls /run/lucid /run/lucid/..; cat /proc/net/unix"
    )
    words = ran.output.decode()
    assert "Permission denied" in words, "what else is in the folder is not told"
    assert not [line for line in words.splitlines() if line.endswith(".sock")]
    assert " @" not in words, "no socket without a file either"


async def test_the_sockets_cannot_be_replaced(ground: Ground) -> None:
    for how in ("rm -f {}", "mv {} /tmp/x", "ln -sf /tmp/x {}", "touch {}.new"):
        for name in ("egress", "git"):
            ran = await ground.bench.run(how.format(f"/run/lucid/{name}.sock"))
            assert ran.exit.exit_code != 0


async def test_what_is_set_inside_changes_nothing(ground: Ground) -> None:
    await ground.bench.run("export EGRESS=list EGRESS_HOSTS='*.example' NO_PROXY='*'; echo '*' >/tmp/hosts")
    ran = await ground.bench.run("curl -sS -m 5 --noproxy '' -x http://127.0.0.1:3128 https://evil.example/")
    assert ran.refusals == [("evil.example", 443, "NOT_ALLOWED")], (ran.output, ran.exit)
    await ground.bench.run("unset EGRESS EGRESS_HOSTS; export NO_PROXY=127.0.0.1,localhost,::1")


async def test_the_gates_socket_is_the_gate_whatever_is_said_to_it(ground: Ground) -> None:
    opened = ground.server.opened
    async with StandInGate(ground.bench.settings.data_dir / "run" / "gate.sock").listening() as gate:
        answer = await ground.talk(
            b"LUCID-GATE/1 ses_other key\n", connect(f"{HOST}:{ground.port}"), to=("127.0.0.1", 3129), close=True
        )
    assert gate.preambles == [b"LUCID-GATE/1 ses_contract " + b"k" * 32 + b"\n"], "ours comes first"
    assert b"LUCID-GATE/1 SES_OTHER" in answer.got, "what it says itself is data"
    assert ground.server.opened == opened
