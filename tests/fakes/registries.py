"""One small package in the form of each registry, as files of a static host: `lucidtest` 1.0.0."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

from tests.fakes.static_host import StaticHost

NAME, VERSION, GO_MODULE = "lucidtest", "1.0.0", "lucid.test/lucidtest"


def fill(host: StaticHost, address: str, folder: Path) -> None:
    """`address`: how sandboxes call the host, with its port."""
    host.files |= {**_python(), **_npm(address), **_cargo(address), **_go(), **_maven(), **_git(folder)}


def _python() -> dict[str, bytes]:
    name = f"{NAME}-{VERSION}-py3-none-any.whl"
    about = f"{NAME}-{VERSION}.dist-info"
    wheel = _zip(
        {
            f"{NAME}.py": b"WORD = 'fetched'\n",
            f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n".encode(),
            f"{about}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{about}/RECORD": f"{NAME}.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n".encode(),
        }
    )
    page = f'<!DOCTYPE html><a href="/files/{name}#sha256={hashlib.sha256(wheel).hexdigest()}">{name}</a>'
    return {f"/simple/{NAME}/": page.encode(), f"/files/{name}": wheel}


def _npm(address: str) -> dict[str, bytes]:
    package = json.dumps({"name": NAME, "version": VERSION, "main": "index.js"}).encode()
    tarball = _tar({"package/package.json": package, "package/index.js": b"module.exports = 'fetched';\n"})
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    dist = {"tarball": f"https://{address}/npm/{NAME}/-/{NAME}-{VERSION}.tgz", "integrity": integrity}
    about = {
        "name": NAME,
        "dist-tags": {"latest": VERSION},
        "versions": {VERSION: {"name": NAME, "version": VERSION, "dist": dist}},
    }
    return {f"/npm/{NAME}": json.dumps(about).encode(), f"/npm/{NAME}/-/{NAME}-{VERSION}.tgz": tarball}


def _cargo(address: str) -> dict[str, bytes]:
    manifest = f'[package]\nname = "{NAME}"\nversion = "{VERSION}"\nedition = "2021"\n'.encode()
    top = f"{NAME}-{VERSION}"
    crate = _tar({f"{top}/Cargo.toml": manifest, f"{top}/src/lib.rs": b'pub const WORD: &str = "fetched";\n'})
    line = {
        "name": NAME,
        "vers": VERSION,
        "deps": [],
        "cksum": hashlib.sha256(crate).hexdigest(),
        "features": {},
        "yanked": False,
    }
    return {
        "/cargo/config.json": json.dumps({"dl": f"https://{address}/crates/{{crate}}-{{version}}.crate"}).encode(),
        f"/cargo/{NAME[:2]}/{NAME[2:4]}/{NAME}": json.dumps(line).encode() + b"\n",
        f"/crates/{NAME}-{VERSION}.crate": crate,
    }


def _go() -> dict[str, bytes]:
    top, base = f"{GO_MODULE}@v{VERSION}", f"/go/{GO_MODULE}/@v"
    module = f"module {GO_MODULE}\n".encode()
    return {
        f"{base}/list": f"v{VERSION}\n".encode(),
        f"{base}/v{VERSION}.info": json.dumps({"Version": f"v{VERSION}", "Time": "2026-01-01T00:00:00Z"}).encode(),
        f"{base}/v{VERSION}.mod": module,
        f"{base}/v{VERSION}.zip": _zip(
            {f"{top}/go.mod": module, f"{top}/word.go": b"package lucidtest\n\nconst Word = 1\n"}
        ),
    }


def _maven() -> dict[str, bytes]:
    base = f"/maven/test/lucid/{NAME}/{VERSION}/{NAME}-{VERSION}.pom"
    pom = (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        f"<groupId>test.lucid</groupId><artifactId>{NAME}</artifactId><version>{VERSION}</version>"
        "<packaging>pom</packaging></project>"
    ).encode()
    return {base: pom, f"{base}.sha1": hashlib.sha1(pom).hexdigest().encode()}


def _git(folder: Path) -> dict[str, bytes]:
    """A bare repository as plain files, which git fetches without a server of its own."""
    work, bare = folder / "work", folder / f"{NAME}.git"

    def git(*arguments: str) -> None:
        name = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *name, *arguments], check=True, capture_output=True)

    git("init", "-q", str(work))
    (work / "word.txt").write_text("fetched\n")
    git("-C", str(work), "add", ".")
    git("-C", str(work), "commit", "-qm", "first")
    git("clone", "-q", "--bare", str(work), str(bare))
    git("-C", str(bare), "update-server-info")
    return {f"/{NAME}.git/{path.relative_to(bare)}": path.read_bytes() for path in bare.rglob("*") if path.is_file()}


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def _tar(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(content.getvalue(), mtime=0)
