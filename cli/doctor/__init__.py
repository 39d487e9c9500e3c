"""`genequeue doctor`: every part is examined at once, each says what was found and what to do about it."""
