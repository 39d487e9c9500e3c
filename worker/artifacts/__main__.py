"""`python -m worker.artifacts FD`: the process that makes artifacts, behind a pipe that it inherits."""

from __future__ import annotations

import sys
from multiprocessing.connection import Connection

from worker.artifacts.child import work

if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
