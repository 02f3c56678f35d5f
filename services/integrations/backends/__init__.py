"""Every outside thing behind a port: providers, git, outward HTTP, sealing."""
