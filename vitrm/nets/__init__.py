"""What a model is made of (layers, the block, the heads), what it is held against, and what each costs."""
