"""The figure of a class's answers, which grows while they arrive."""
