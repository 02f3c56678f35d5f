"""Faults: what must hold when processes die, pause, lose their connections, and storage restarts.

`worker` is a real sessions process with named points; `conductor` breaks things when one is reached; `client` records
what it asks for and what it is told; `checker` judges the records and the log, and imports nothing of the services.
"""
