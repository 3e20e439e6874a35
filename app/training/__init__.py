"""Train live: forms, the queue of trainings, and what one sees of them."""
