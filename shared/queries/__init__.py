"""What a query may say, and how it is checked against a model's vocabulary. Pure: no server, no file."""
