"""All SQL of the sessions service, and the live stream."""
