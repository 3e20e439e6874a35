"""A task in which information must travel."""
