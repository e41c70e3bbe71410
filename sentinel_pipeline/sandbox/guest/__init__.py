"""What runs in the processes that hold candidates: standard library only, loaded by path into a
bare interpreter.

Nothing here knows a test or an expected value, and nothing outside this folder executes candidate
code. The harness imports from here what it shares with these processes: ``codec``, ``wire``,
``script``, ``pytest_like``.
"""
