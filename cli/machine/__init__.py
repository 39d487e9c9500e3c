"""One machine: the servers from wheels, the processes, and what keeps them running."""
