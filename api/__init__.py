"""HTTP in, rows and messages out. Never touches torch, never the worker's code."""
