"""All lessons, and how far this browser's learner is in each."""
