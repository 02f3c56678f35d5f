"""Sandboxes: containers or bubblewrap, their workspaces, commands and their output, files, diffs.

Owns everything that happens where the agent works. Has no token, no model key, no right of a user but an owner id.
"""
