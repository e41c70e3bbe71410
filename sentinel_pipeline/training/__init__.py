"""Training in a child process: jobs, the worker that runs them, the embedded model, SFT, windows and checkpoints."""
