"""Talking to a checkpoint: a guard that decides, and a session that streams. Pages and HTTP are
``web``'s."""
