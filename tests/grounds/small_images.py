"""Images of a few files, made without a registry: of busybox alone, of another CPU, with a python that is broken."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import docker

Entry = bytes | str


def busybox() -> bytes:
    """Debian's static busybox: a /bin/sh and what belongs to it, and no C library."""
    path = shutil.which("busybox")
    assert path, "busybox-static is missing: deploy/setup/test-machine.sh installs it"
    return Path(path).read_bytes()


def like_alpine() -> dict[str, Entry]:
    """The files of an image without a C library, bash, git, python, accounts, /tmp or /workspace."""
    applets = ("sh", "ls", "cat", "id", "sleep", "touch", "env", "wc", "sed", "tail", "whoami", "stat", "test", "ps")
    return {"bin/busybox": busybox(), **{f"bin/{name}": "busybox" for name in applets}}


def with_glibc(*programs: str) -> dict[str, Entry]:
    """Programs of this machine with their libraries: an image of its own C library and bash, and no python or git."""
    files: dict[str, Entry] = {}
    for name in programs:
        path = shutil.which(name, path="/usr/bin:/bin")
        assert path, name
        files[f"bin/{name}"] = Path(path).read_bytes()
        listed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        for word in listed.split():
            if word.startswith("/"):
                files[word.lstrip("/")] = Path(word).read_bytes()
    return files


def archive(files: Mapping[str, Entry]) -> bytes:
    """A tar of files (bytes, executable) and links (text)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name, entry in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(entry, str):
                info.type, info.linkname = tarfile.SYMTYPE, entry
                tar.addfile(info)
            else:
                info.size = len(entry)
                tar.addfile(info, io.BytesIO(entry))
    return content.getvalue()


def make(engine: docker.DockerClient, name: str, files: Mapping[str, Entry], changes: Sequence[str] = ()) -> str:
    """Imports an image of these files; its name."""
    repository, _, tag = name.partition(":")
    answer = engine.api.import_image_from_data(archive(files), repository=repository, tag=tag, changes=list(changes))
    assert "error" not in answer, answer
    return name


def make_foreign(engine: docker.DockerClient, name: str, cpu: str, files: Mapping[str, Entry]) -> str:
    """Loads an image that says it is for another CPU; its name."""
    layer = archive(files)
    layer_id = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": cpu,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]},
            "history": [{"created": "2026-01-01T00:00:00Z", "created_by": "test"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [name], "Layers": [f"{layer_id}/layer.tar"]}]).encode()
    engine.images.load(archive({config_name: config, f"{layer_id}/layer.tar": layer, "manifest.json": manifest}))
    return name


def unique(word: str) -> str:
    """A name that no other run of the tests uses."""
    return f"lucid-test-{word}:{os.getpid()}"
