"""A batch from claim to completion: claim, plan, run, write, complete. Knows nothing of Celery."""
