"""The trainers of every stage, on TRL, and what they share."""
