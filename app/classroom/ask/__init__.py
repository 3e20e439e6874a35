"""A question on a phone, or for the teacher who says what came out."""
