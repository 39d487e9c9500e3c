"""The edges of a worker process: Celery's tasks, and the rounds of its own clock."""
