"""The conditions of large requests: read as rows, checked one by one, kept in the storage as sheets."""
