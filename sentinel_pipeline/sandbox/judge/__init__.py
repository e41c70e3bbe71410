"""The harness: a trusted child process per worker that holds tests and expected values and drives a
zygote.

It executes tests, which are trusted, and no candidate code; what candidates answer reaches it only
through the codec.
"""
