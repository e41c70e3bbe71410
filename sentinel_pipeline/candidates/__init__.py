"""Where raw candidates come from: files, hub data sets, references, corrupted references."""
