"""Statements, written once: each function returns one, for async sessions (API) and sync ones (workers)."""
