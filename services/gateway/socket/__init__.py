"""The page's WebSocket: many watches on one socket, in binary, with back-pressure."""
