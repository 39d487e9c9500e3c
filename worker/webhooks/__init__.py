"""Tells endpoints what happened: resolve, sign, send, judge the answer. Knows no queries and no networks."""
