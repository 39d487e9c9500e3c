"""Postgres: the tables, the engines, and statements written once for async and sync sessions alike."""
