"""Lessons on the real pages: a question, a prediction the learner commits to, what is done, and what comes out."""
