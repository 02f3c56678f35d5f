"""Sandboxes: containers or bubblewrap, their workspaces, commands and their output, files, diffs.

Owns everything that happens where the agent works. Has no token, no model key and no right of a user beyond an owner id.
"""
