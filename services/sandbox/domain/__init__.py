"""What a sandbox is and what can go wrong with it."""
