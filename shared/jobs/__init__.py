"""Jobs and their chunks: states, legal moves, how samples are cut into chunks. Pure."""
