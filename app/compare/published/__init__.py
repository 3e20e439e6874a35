"""What the paper reports, beside what was measured here and never mixed with it."""
