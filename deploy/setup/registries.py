"""Prints the hosts that this machine's own package clients fetch from: `host[:port]`, with commas between.

People behind a mirror get their mirror. What a client has built in is read from the client itself. Plain http is left
out: sandboxes speak TLS only. Where nothing is known nothing is printed, and sandboxes reach nothing.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

SECONDS = 10
INDEX_SECONDS = 3
URL = re.compile(r"https://[^\s'\",|]+")


def said_by(*command: str) -> str:
    """What a program prints; nothing where it is not there or does not want."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def pip() -> Iterator[str]:
    """The index as it is set (files, environment), or pip's own with its file host."""
    configured = said_by(sys.executable, "-m", "pip", "config", "list")
    is_set = False
    for name, value in re.findall(r"^[^=]*\.((?:extra-)?index-url)='([^']*)'", configured, re.MULTILINE):
        is_set = is_set or name == "index-url"
        yield from value.split()
    if not is_set:
        with contextlib.suppress(ImportError):
            from pip._internal.models.index import PyPI

            yield from (PyPI.url, f"https://{PyPI.file_storage_domain}/")


def npm() -> Iterator[str]:
    """As npm says."""
    yield said_by("npm", "config", "get", "registry").strip()


def cargo() -> Iterator[str]:
    """What replaces its index, or the one that the program has built in; and where that says the files are."""
    if shutil.which("cargo") is None:
        return
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    sources: dict[str, dict[str, str]] = {}
    for name in ("config.toml", "config"):
        with contextlib.suppress(OSError, tomllib.TOMLDecodeError):
            sources = tomllib.loads((home / name).read_text()).get("source", {}) or sources
    index = (
        sources.get(sources.get("crates-io", {}).get("replace-with", ""), {}).get("registry", "") or built_in_index()
    )
    index = index.removeprefix("sparse+")
    yield index
    about = index.rstrip("/") + "/config.json"
    with (
        contextlib.suppress(OSError, ValueError, KeyError),
        urllib.request.urlopen(about, timeout=INDEX_SECONDS) as answer,
    ):
        yield str(json.load(answer)["dl"])


def built_in_index() -> str:
    """From the text of the program: rustup's cargo is a link to the real one."""
    program = said_by("rustup", "which", "cargo").strip() or shutil.which("cargo") or ""
    with contextlib.suppress(OSError):
        found = re.search(rb"sparse\+(https://index\.[a-z0-9.-]+/)", Path(program).read_bytes())
        return found[1].decode() if found else ""
    return ""


def go() -> Iterator[str]:
    """Proxies, and the host that vouches for their checksums."""
    yield from URL.findall(said_by("go", "env", "GOPROXY"))
    database = said_by("go", "env", "GOSUMDB").strip().partition("+")[0]
    if database and database != "off":
        yield f"https://{database}/"


def maven() -> Iterator[str]:
    """A mirror in the person's settings, or the repository of the model that every project inherits."""
    if shutil.which("mvn") is None:
        return
    with contextlib.suppress(OSError):
        mirrors = re.findall(r"<mirror>.*?</mirror>", (Path.home() / ".m2" / "settings.xml").read_text(), re.DOTALL)
        found = [url for mirror in mirrors for url in re.findall(r"<url>\s*([^<\s]+)\s*</url>", mirror)]
        if found:
            yield from found
            return
    library = Path(shutil.which("mvn") or "").resolve().parent.parent / "lib"
    for jar in library.glob("maven-model-builder-*.jar"):
        with contextlib.suppress(OSError, KeyError, zipfile.BadZipFile), zipfile.ZipFile(jar) as opened:
            yield from URL.findall(opened.read("org/apache/maven/model/pom-4.0.0.xml").decode().replace("<", " "))
            return


def host_of(url: str) -> str:
    """`host` or `host:port` of an https address, else nothing. Names and passwords in it go nowhere."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme != "https" or not parts.hostname:
        return ""
    return parts.hostname if port in (None, 443) else f"{parts.hostname}:{port}"


def main() -> None:
    """One line."""
    found = [host_of(url) for client in (pip, npm, cargo, go, maven) for url in client()]
    print(",".join(dict.fromkeys(host for host in found if re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]+)?", host))))


if __name__ == "__main__":
    main()
