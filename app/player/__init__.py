"""The recursion player: a trace on screen, moved through without a message to the server."""
