"""One file per resource: parse the request, call one service, shape the answer."""
