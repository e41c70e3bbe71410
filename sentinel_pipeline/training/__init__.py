"""Training, in five rooms: ``data`` (rows as tokens), ``loop`` (windows, checkpoints, remedies),
``trainers`` (one for each stage, on TRL), ``embedded`` (the embedded model) and ``planning`` (what
a run will do)."""
