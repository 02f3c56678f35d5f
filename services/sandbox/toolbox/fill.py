"""Fills the toolbox: copies python, bash and git of the image it runs in, each with its libraries and their loader.

Run once for each content in a container of the default image, with the new volume at its place. What it leaves there
needs nothing of the image that it is mounted into but /bin/sh, for the wrappers in `bin`.
"""
# ruff: noqa: PTH101, PTH103, PTH105, PTH110, PTH112, PTH118, PTH119, PTH123, PTH208, SIM905

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import sysconfig

ROOT = sys.argv[1] if len(sys.argv) > 1 else "/opt/lucid"
LIBRARIES = os.path.join(ROOT, "lib")
LOADER = os.path.join(LIBRARIES, "ld.so")
PT_INTERP = 3
# Of the standard library what no helper will ever import, and what is large.
LEFT_OUT = frozenset(
    "test tests idlelib lib2to3 ensurepip distutils tkinter turtledemo pydoc_data unittest sqlite3 curses dbm wsgiref "
    "xmlrpc xml multiprocessing venv msilib dist-packages site-packages".split()
)
NO_EXTENSIONS = ("_tkinter", "_sqlite3", "_curses", "_dbm", "_gdbm", "_test", "_xx", "xxlimited", "_codecs_", "_ssl")
GIT_SCRIPTS = ("git-submodule", "git-sh-setup", "git-sh-i18n")
WRAPPER = """#!/bin/sh
{variables}exec {loader} --inhibit-cache --argv0 {name} --library-path {libraries} {program} "$@"
"""
GIT_VARIABLES = """: "${{GIT_TEMPLATE_DIR={root}/share/git-core/templates}}"
export GIT_TEMPLATE_DIR GIT_EXEC_PATH={root}/libexec/git-core
"""


def main() -> None:
    """All of it, and a trial of each program."""
    for folder in ("lib", "bin", "libexec/git-core", "share/git-core/templates"):
        os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
    python = os.path.realpath(sys.executable)
    copy(interpreter(python), LOADER)
    add_python(python)
    for name in ("bash", "sleep"):
        add_program(found(name), f"libexec/{name}")
    wrap("bin/bash", "bash", "libexec/bash")
    add_git()
    tried()


def add_python(python: str) -> None:
    """The interpreter and so much of its library that the helper runs; its prefix is found from where it lies."""
    add_program(python, "libexec/helper")
    library = os.path.join(ROOT, "lib", os.path.basename(sysconfig.get_path("stdlib")))
    shutil.copytree(sysconfig.get_path("stdlib"), library, ignore=left_out, dirs_exist_ok=True)
    for name in os.listdir(os.path.join(library, "lib-dynload")):
        add_libraries(os.path.join(library, "lib-dynload", name))


def left_out(folder: str, names: list[str]) -> list[str]:
    """For copytree."""
    return [name for name in names if name in LEFT_OUT or name.startswith(("config-", *NO_EXTENSIONS))]


def add_git() -> None:
    """For images without git. It fetches and pushes over HTTP only: there is no other way out of a sandbox."""
    git = found("git")
    own = subprocess.run([git, "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    variables = GIT_VARIABLES.format(root=ROOT)
    add_program(git, "libexec/git")
    add_program(os.path.join(own, "git-remote-http"), "libexec/git-remote-http")
    for path in ("bin/git", "libexec/git-core/git"):
        wrap(path, "git", "libexec/git", variables)
    for name in ("git-remote-http", "git-remote-https"):
        wrap(f"libexec/git-core/{name}", name, "libexec/git-remote-http", variables)
    for name in GIT_SCRIPTS:
        copy(os.path.join(own, name), os.path.join(ROOT, "libexec/git-core", name))
    templates = "/usr/share/git-core/templates"
    if os.path.isdir(templates):
        shutil.copytree(templates, os.path.join(ROOT, "share/git-core/templates"), dirs_exist_ok=True)


def found(name: str) -> str:
    """The path of a program of this image."""
    path = shutil.which(name)
    if path is None:
        sys.exit(f"{name} is not in this image")
    return os.path.realpath(path)


def add_program(source: str, target: str) -> None:
    """A program with its libraries."""
    copy(source, os.path.join(ROOT, target))
    add_libraries(source)


def add_libraries(path: str) -> None:
    """What the loader would load with it, under the names that it asks for."""
    listed = subprocess.run([LOADER, "--list", path], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and rest.startswith("/") and not os.path.exists(os.path.join(LIBRARIES, name)):
            copy(rest.rpartition(" (")[0], os.path.join(LIBRARIES, name))


def interpreter(path: str) -> str:
    """The loader that an ELF program of this machine's word size names."""
    with open(path, "rb") as file:
        head = file.read(64)
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        for index in range(count):
            file.seek(table + index * size)
            entry = file.read(size)
            kind, _, offset, _, _, length = struct.unpack_from("<IIQQQQ", entry)
            if kind == PT_INTERP:
                file.seek(offset)
                return os.path.realpath(file.read(length).rstrip(b"\0").decode())
    sys.exit(f"{path} names no loader")


def wrap(path: str, name: str, program: str, variables: str = "") -> None:
    """A script that starts a program of the toolbox wherever it is mounted."""
    text = WRAPPER.format(
        variables=variables, loader=LOADER, name=name, libraries=LIBRARIES, program=os.path.join(ROOT, program)
    )
    target = os.path.join(ROOT, path)
    with open(target, "w") as file:
        file.write(text)
    os.chmod(target, 0o755)


def copy(source: str, target: str) -> None:
    """Whole or not at all; times are kept, since compiled modules are known by them."""
    shutil.copy2(source, target + ".new")
    os.chmod(target + ".new", 0o755)
    os.replace(target + ".new", target)


def tried() -> None:
    """Ends with a word on standard error where one of the programs does not run from here."""
    helper = os.path.join(ROOT, "libexec/helper")
    check = "import ctypes, fcntl, hashlib, json, selectors, socket, subprocess, sys; print(sys.prefix)"
    start = [LOADER, "--inhibit-cache", "--argv0", helper, "--library-path", LIBRARIES, helper]
    prefix = subprocess.run(
        [*start, "-I", "-S", "-c", check], capture_output=True, text=True, check=True
    ).stdout.strip()
    if prefix != ROOT:
        sys.exit(f"the toolbox's python takes {prefix} for its own")
    for argv in (["bin/bash", "-c", "true"], ["bin/git", "--version"]):
        subprocess.run([os.path.join(ROOT, argv[0]), *argv[1:]], stdout=subprocess.DEVNULL, check=True)


main()
