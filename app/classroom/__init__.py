"""A class: the teacher asks, everybody predicts on a phone of their own, and all see what came out beside it."""
