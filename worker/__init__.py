"""Messages in, files and rows out: the processes that compute. Never the API's code."""
