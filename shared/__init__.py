"""The nouns and plugs of GeneQueue: what its processes share. No use case, no framework of either side."""
