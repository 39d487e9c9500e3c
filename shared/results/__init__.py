"""The forms of a result: Parquet parts as stored, the manifest, and Arrow, JSON and files as sent."""
