"""All SQL of integrations."""
