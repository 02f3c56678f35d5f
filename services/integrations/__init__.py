"""Integrations owns git tokens (sealed), repositories, the git gate, pull requests and the outbox of outward acts.

It never has the agent, containers or people's sign-ins.
"""
