"""Builders and real servers for the tests."""
