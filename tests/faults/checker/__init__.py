"""Judges what clients were told and what the world counted against the log. Imports nothing of the services."""
