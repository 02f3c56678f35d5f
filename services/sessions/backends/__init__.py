"""The outside behind the ports: models, sandbox, integrations."""
