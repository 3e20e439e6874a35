"""How an SR-ViT weighs its recursion steps."""
