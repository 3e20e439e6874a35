"""What a model is made of and held against: glimpses, the other families, and what each costs."""
