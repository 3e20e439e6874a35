"""The learner's own pictures."""
