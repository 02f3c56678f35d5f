"""The services of Lucid AI: sandbox, sessions, integrations, gateway, and what carries their calls (rpc)."""
