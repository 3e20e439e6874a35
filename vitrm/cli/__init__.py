"""The command line. It prints; what is done is done elsewhere."""
