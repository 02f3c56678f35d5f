"""A tea timer for the terminal."""
