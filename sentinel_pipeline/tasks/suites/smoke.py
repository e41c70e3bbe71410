"""Eight Python stubs of normal difficulty, for a quick look at whether a model answers at all.

Eight items decide nothing: 4 of 8 has a 95 % interval of .22 to .79. The gate on this suite warns
and never promotes.
"""

from __future__ import annotations

from typing import NamedTuple

from ...records import Message, PythonTests, Task

ASK = "Complete this Python function.\n\n"


class Stub(NamedTuple):
    """A stub, the body that completes it, and (arguments, expected) pairs as Python text."""

    name: str
    stub: str
    body: str
    cases: tuple[tuple[str, str], ...]


STUBS = (
    Stub(
        "running_totals",
        '''\
def running_totals(numbers):
    """Return a list whose i-th item is the sum of the first i + 1 numbers."""
''',
        """\
    totals, so_far = [], 0
    for number in numbers:
        so_far += number
        totals.append(so_far)
    return totals
""",
        (("[1, 2, 3]", "[1, 3, 6]"), ("[]", "[]"), ("[5, -5, 2]", "[5, 0, 2]"), ("[0]", "[0]")),
    ),
    Stub(
        "longest_word",
        '''\
def longest_word(text):
    """Return the longest word of a text whose words are separated by spaces.

    Of equally long words the first counts; a text without words gives an empty string.
    """
''',
        """\
    return max(text.split(), key=len, default="")
""",
        (
            ("'a green meadow'", "'meadow'"),
            ("'one two six'", "'one'"),
            ("''", "''"),
            ("'   '", "''"),
        ),
    ),
    Stub(
        "seconds_of",
        '''\
def seconds_of(clock):
    """Return the seconds since midnight of a time such as "07:30:05" or "07:30"."""
''',
        """\
    parts = [int(part) for part in clock.split(":")] + [0]
    return parts[0] * 3600 + parts[1] * 60 + parts[2]
""",
        (("'07:30:05'", "27005"), ("'00:00'", "0"), ("'23:59:59'", "86399"), ("'01:01'", "3660")),
    ),
    Stub(
        "brackets_match",
        '''\
def brackets_match(text):
    """Tell whether the brackets ( ) [ ] { } in a text close in the right order.

    Other characters are free.
    """
''',
        """\
    pairs, stack = {")": "(", "]": "[", "}": "{"}, []
    for char in text:
        if char in "([{":
            stack.append(char)
        elif char in pairs and (not stack or stack.pop() != pairs[char]):
            return False
    return not stack
""",
        (
            ("'f(a[0]) {}'", "True"),
            ("'([)]'", "False"),
            ("'(('", "False"),
            ("')'", "False"),
            ("''", "True"),
        ),
    ),
    Stub(
        "merge_ranges",
        '''\
def merge_ranges(ranges):
    """Merge (start, end) ranges that overlap or touch.

    Return a list of tuples, sorted by their start.
    """
''',
        """\
    merged = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
""",
        (
            ("[(5, 7), (1, 3), (2, 4)]", "[(1, 4), (5, 7)]"),
            ("[(1, 2), (2, 3)]", "[(1, 3)]"),
            ("[(1, 9), (3, 4)]", "[(1, 9)]"),
            ("[]", "[]"),
        ),
    ),
    Stub(
        "write_in_base",
        '''\
def write_in_base(number, base):
    """Write a number of 0 or more in a base from 2 to 16, with the digits 0-9 and a-f."""
''',
        """\
    digits = ""
    while number or not digits:
        number, rest = divmod(number, base)
        digits = "0123456789abcdef"[rest] + digits
    return digits
""",
        (("10, 2", "'1010'"), ("255, 16", "'ff'"), ("0, 7", "'0'"), ("35, 6", "'55'")),
    ),
    Stub(
        "group_by_length",
        '''\
def group_by_length(words):
    """Return a dict from each length to the sorted list of the different words of that length."""
''',
        """\
    groups = {}
    for word in sorted(set(words)):
        groups.setdefault(len(word), []).append(word)
    return groups
""",
        (
            ("['sea', 'air', 'wind', 'sea']", "{3: ['air', 'sea'], 4: ['wind']}"),
            ("[]", "{}"),
            ("['', 'b', 'a']", "{0: [''], 1: ['a', 'b']}"),
        ),
    ),
    Stub(
        "spiral",
        '''\
def spiral(grid):
    """Return the cells of a rectangular grid as a list, in a spiral.

    The walk starts at the top left and goes clockwise from the outside in.
    """
''',
        """\
    cells, rows = [], [list(row) for row in grid]
    while rows:
        cells += rows.pop(0)
        rows = [list(row) for row in zip(*rows)][::-1]
    return cells
""",
        (
            ("[[1, 2, 3], [4, 5, 6], [7, 8, 9]]", "[1, 2, 3, 6, 9, 8, 7, 4, 5]"),
            ("[[1, 2, 3, 4]]", "[1, 2, 3, 4]"),
            ("[[1], [2]]", "[1, 2]"),
            ("[]", "[]"),
        ),
    ),
)


def tasks() -> list[Task]:
    """The eight tasks; a completion may continue the stub or be the whole function."""
    return [_task(stub) for stub in STUBS]


def _task(stub: Stub) -> Task:
    asserts = "".join(
        f"    assert candidate({arguments}) == {expected}\n" for arguments, expected in stub.cases
    )
    return Task(
        id=f"smoke/{stub.name}",
        suite="smoke",
        category="executable_code",
        family="smoke",
        messages=(Message("user", ASK + stub.stub),),
        verifier=PythonTests(
            tests=f"def check(candidate):\n{asserts}", entry_point=stub.name, prefix=stub.stub
        ),
        reference=stub.body,
    )
