"""From a checkpoint that passed its gates to a folder that others load: evidence, bundle, model
card, push."""
