"""Clients that run in a process of their own, so that their cost is nobody else's."""
