"""One use case per RPC."""
