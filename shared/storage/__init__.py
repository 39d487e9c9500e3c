"""Object storage: a port, and its two adapters, local disk and S3. Knows keys and bytes, no results."""
