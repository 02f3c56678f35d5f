"""The services of Lucid AI: sandbox, sessions, integrations, gateway, and what carries their calls (rpc)."""

import os

# gRPC's fork handlers are for programs that go on with gRPC in a forked child; our children exec at once, and the
# handlers only fill the log. It reads this when it is first imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
