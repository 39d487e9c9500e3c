"""Celery's edge: unpack a message, call one function, map its outcome."""
