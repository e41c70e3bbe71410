"""The embedded model: its text, its first weights, its training."""
