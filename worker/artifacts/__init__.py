"""Files made from results: exports, summaries, comparisons. Knows rows, storage and forms, and no network."""
