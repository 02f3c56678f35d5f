"""The helper that runs inside a sandbox: commands, files, edits, snapshots, for whatever service is connected.

Standard library only, Python 3.7 and later. The service sends these files as one bundle to `boot.py`, which is started
by `python3 -I -S -u -c`: nothing of it lies in the sandbox's file system. It outlives the service that started it:
services come in by a socket that is bound outside, and a new service finds it where the old one left it. Whatever the
helper promises ("a key is started at most once") it keeps in the state folder beside the workspace, so a new helper
goes on where a dead one was.
"""
