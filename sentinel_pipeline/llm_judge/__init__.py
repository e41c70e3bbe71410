"""A language model that scores what only a reader can: how it is asked, its licence, and its
verdicts beside the answers."""
