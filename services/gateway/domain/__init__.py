"""People, their sign-ins, and where a browser's request may come from."""
