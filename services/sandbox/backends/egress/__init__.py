"""The way from a sandbox to the hosts of its policy: a proxy that knows CONNECT and nothing else."""
