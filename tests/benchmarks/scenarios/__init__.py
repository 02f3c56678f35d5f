"""One file per scenario: `run` measures and answers its rows."""
