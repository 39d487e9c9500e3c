"""The conditions of a large request: read from what was sent, checked row by row, kept in sheets."""
