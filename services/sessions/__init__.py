"""Sessions: the event log, the agent and its model calls.

Owns sessions, their logs, usage, queues and questions, and the model keys. Never has a git token or a container: those
belong to integrations and sandbox, which it asks through their clients.
"""
