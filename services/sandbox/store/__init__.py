"""The tables of sandboxes and all SQL."""
