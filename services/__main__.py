"""`python -m services`: all of Lucid in one process."""

import uvloop

from services.embedded import main
from services.rpc import logs

if __name__ == "__main__":
    logs.configure()
    uvloop.run(main())
