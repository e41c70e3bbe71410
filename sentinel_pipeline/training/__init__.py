"""Training, in five rooms: ``data`` (rows as tokens), ``loop`` (windows, checkpoints, remedies),
``trainers`` (SFT, DPO, KTO and GRPO on TRL), ``embedded`` (the embedded model) and ``planning``
(what a run will do)."""
