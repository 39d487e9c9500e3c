"""Use cases with rules. They know rows, storage and messages, and nothing of HTTP."""
