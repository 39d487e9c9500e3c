"""The `genequeue` command: a client of the API, and everything that runs it on one machine."""
