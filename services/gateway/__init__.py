"""The gateway: accounts and sign-in, the browser's protocols (WebSocket, grpc-web, REST), the page, limits at the edge.

It owns people and their sign-ins. It has no business rules and no event log: those are the other services'.
"""
