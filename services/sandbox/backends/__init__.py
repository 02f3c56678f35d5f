"""Docker, bubblewrap, the helper inside, the way to the git gate."""
