"""The loop around a trainer: windows and what watches them, whole checkpoints, staged freezing,
optimizers, remedies, parity."""
