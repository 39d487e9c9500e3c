"""What crosses the wire: the only Pydantic request and response classes, and how a body is read."""
