"""Training: SFT, DPO and GRPO on TRL, their windows and checkpoints, the embedded model, the plan
of a run."""
