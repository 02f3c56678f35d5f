"""The agent: its loop, its prompt, its tools, and the runner that owns running sessions."""
