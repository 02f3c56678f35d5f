"""Hand-made bytes at the gate: what no git would send. Nothing of it may reach the provider."""

import asyncio
import gzip

import pytest

from services.integrations.domain.pktline import FLUSH, encode
from tests.service.integrations.conftest import GitHubSite, House, Site
from tests.service.integrations.gate_road import KEY, SESSION, GateRoad

BRANCH = f"refs/heads/lucid/{SESSION}/fix"
OLD, NEW = "0" * 40, "2" * 40


def commands(*refs: str, capabilities: str = "report-status side-band-64k") -> bytes:
    lines = [f"{OLD} {NEW} {ref}".encode() for ref in refs]
    lines[0] += b"\0 " + capabilities.encode()
    return b"".join(map(encode, lines)) + FLUSH


def post(site: Site, body: bytes, *headers: str, endpoint: str = "git-receive-pack", chunked: bool = False) -> bytes:
    host = site.clone_url.split("/")[2]
    lines = [
        f"POST /{host}/ada/secret.git/{endpoint} HTTP/1.1",
        "Host: x",
        f"Content-Type: application/x-{endpoint}-request",
        *headers,
    ]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (1, body[at : at + 1]) for at in range(len(body))) + b"0\r\n\r\n"
    elif not any(line.startswith("Content-Length") for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


@pytest.fixture
def untouched(github_site: GitHubSite) -> GitHubSite:
    github_site.github.requests.clear()
    return github_site


REFUSED = {
    "gzip": (lambda site: post(site, gzip.compress(commands(BRANCH)), "Content-Encoding: gzip"), 415),
    "plus length": (lambda site: post(site, b"+00a" + commands(BRANCH)), 400),
    "space length": (lambda site: post(site, b" 00a" + commands(BRANCH)), 400),
    "hex length": (lambda site: post(site, b"0x0a" + commands(BRANCH)), 400),
    "length one": (lambda site: post(site, b"0001" + commands(BRANCH)), 400),
    "delimiter": (lambda site: post(site, commands(BRANCH)[:-4] + b"0001" + commands("refs/heads/main")), 400),
    "empty list with a tail": (lambda site: post(site, b"0000" + commands("refs/heads/main")), 400),
    "flush and pack": (lambda site: post(site, b"0000PACK"), 400),
    "shallow only": (lambda site: post(site, encode(f"shallow {NEW}".encode()) + FLUSH), 400),
    "push options": (lambda site: post(site, commands(BRANCH, capabilities="report-status push-options")), 403),
    "push cert": (lambda site: post(site, encode(b"push-cert\0") + FLUSH), 403),
    "newline in ref": (lambda site: post(site, commands(BRANCH + "\nrefs/heads/main")), 400),
    "no report": (lambda site: post(site, commands(BRANCH, capabilities="side-band-64k")), 400),
    "cut off": (lambda site: post(site, commands(BRANCH)[:-4]), 400),
    "empty body": (lambda site: post(site, b""), 400),
    "other type": (lambda site: post(site, commands(BRANCH)).replace(b"-pack-request", b"-pack-result"), 415),
    "lfs": (lambda site: post(site, b"{}", endpoint="info/lfs/objects/batch"), 403),
    "not http": (lambda site: b"GET\r\n\r\n", 400),
    "two lengths": (lambda site: post(site, b"0000", "Content-Length: 4", "Content-Length: 5"), 400),
    "length and chunks": (lambda site: post(site, b"0000", "Content-Length: 4", "Transfer-Encoding: gzip"), 0),
    "huge header": (lambda site: post(site, b"0000", "X-Long: " + "a" * 200_000), 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_before_the_provider(untouched: GitHubSite, name: str) -> None:
    make, expected = REFUSED[name]
    answer = await untouched.road.raw(make(untouched))
    assert status(answer) == expected or (not expected and status(answer) in {400, 501})
    assert untouched.github.requests == []


async def test_a_bad_ref_in_single_byte_chunks(untouched: GitHubSite) -> None:
    answer = await untouched.road.raw(post(untouched, commands("refs/heads/main") + b"PACK" * 100, chunked=True))
    assert status(answer) == 200
    assert b"ng refs/heads/main only lucid/" in answer
    assert untouched.github.requests == []


async def test_the_probe_is_answered_here(untouched: GitHubSite) -> None:
    answer = await untouched.road.raw(post(untouched, b"0000"))
    assert status(answer) == 200
    assert b"application/x-git-receive-pack-result" in answer
    assert untouched.github.requests == []


async def test_expect_continue(untouched: GitHubSite) -> None:
    reader, writer = await untouched.road.connect()
    request = post(untouched, b"0000", "Expect: 100-continue", "Connection: close")
    writer.write(request[:-4])
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"0000")
    assert status(await reader.read()) == 200
    writer.close()


async def test_smuggled_second_request_is_judged_like_the_first(untouched: GitHubSite) -> None:
    second = b"GET /api.github.com/user HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await untouched.road.raw(post(untouched, b"0000") + second)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 403" in answer
    assert untouched.github.requests == []


async def test_a_push_that_breaks_off_changes_nothing(github_site: GitHubSite) -> None:
    body = commands(BRANCH) + b"PACK\0\0\0\2"
    await github_site.road.raw(post(github_site, body, f"Content-Length: {len(body) + 100}"))
    assert github_site.github.repositories["ada/secret"].branch(f"lucid/{SESSION}/fix") == ""
    assert await github_site.pushes() == []


async def test_a_broken_pack_is_not_recorded(github_site: GitHubSite) -> None:
    answer = await github_site.road.raw(post(github_site, commands(BRANCH) + b"PACK\0\0\0\2\0\0\0\1nonsense"))
    assert status(answer) == 200
    assert await github_site.pushes() == []


async def test_only_the_headers_of_the_rules_reach_the_provider(untouched: GitHubSite) -> None:
    host = untouched.clone_url.split("/")[2]
    lines = [
        f"GET /{host}/ada/secret.git/info/refs?service=git-upload-pack HTTP/1.1",
        "Host: evil.example",
        "Authorization: Basic ZXZpbDpldmls",
        "Cookie: a=b",
        "X-Forwarded-For: 1.2.3.4",
        "Git-Protocol: version=2:evil",
        "Connection: close",
    ]
    answer = await untouched.road.raw("\r\n".join(lines).encode() + b"\r\n\r\n")
    assert status(answer) == 200
    ((_, _, headers),) = untouched.github.requests
    assert not {"Cookie", "X-Forwarded-For", "Git-Protocol"} & set(headers)
    assert "evil" not in headers["Host"]
    assert headers["Authorization"] != "Basic ZXZpbDpldmls"


@pytest.mark.parametrize(
    "preamble",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        f"LUCID-GATE/1 {SESSION} wrong\n".encode(),
        f"LUCID-GATE/1 {SESSION} {KEY}x\n".encode(),
        f"LUCID-GATE/1 {SESSION}\n".encode(),
        f"LUCID-GATE/2 {SESSION} {KEY}\n".encode(),
        f"LUCID-GATE/1 {SESSION} {KEY} more\n".encode(),
        f"LUCID-GATE/1 ../../x {KEY}\n".encode(),
        f"LUCID-GATE/1 {SESSION}  {KEY}\n".encode(),
        b"LUCID-GATE/1 " + b"a" * 600 + b"\n",
        b"\xff" * 70_000,
    ],
)
async def test_without_the_right_preamble_nobody_answers(site: Site, preamble: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(str(site.house.socket))
    writer.write(
        preamble + b"GET /local/lucid/teatime.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    writer.write_eof()
    try:
        assert await reader.read() == b""
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_a_session_without_a_gate_is_refused(house: House) -> None:
    async with GateRoad(house.socket, "ses_01JQ0000000000000000000099") as road:
        request = b"GET /local/lucid/teatime.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n"
        assert status(await road.raw(request)) == 403


async def test_too_many_connections_of_one_session_are_refused(site: Site) -> None:
    held = [await site.road.connect() for _ in range(40)]
    try:
        for _, writer in held:
            writer.write(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = [await start_of(reader) for reader, _ in held]
        assert sum(answer == b"HTTP/1.1 403" for answer in answers) == 32
        assert answers.count(b"") == 8
    finally:
        for _, writer in held:
            writer.close()


async def start_of(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(12)
    except ConnectionError:
        return b""
