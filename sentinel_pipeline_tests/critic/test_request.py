"""What a request asks for: names by any usual wording, code; and what asks for nothing."""

from __future__ import annotations

import keyword

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.critic.request import asks, parameters_of
from sentinel_pipeline.records import Candidate, CriticLabels, Message

LEADS = (
    "", "Please ", "Can you ", "Could you please ", "I want you to ", "Your task is to ", "You are given a list. ",
    "In Python, ", "Hi! ", "Now ", "Given two numbers, ", "Task: ", "1. ", "Let's ", "You must ",
)  # fmt: skip
VERBS = (
    "write",
    "implement",
    "create",
    "define",
    "develop",
    "build",
    "give me",
    "provide",
    "design",
)
MODIFIERS = (
    " ",
    " Python ",
    " TypeScript ",
    " simple ",
    " short and simple ",
    " recursive helper ",
    " pure ",
)
NAMINGS = (
    "function called {n}", "function named {n}", "function `{n}`", "function {n}({p})", "function `{n}({p})`",
    "function, called `{n}`,", 'function named "{n}"', "function with the name {n}", "function whose name is {n}",
    "function {n} that adds", "function {n} to add numbers", "function **{n}**", "function: `{n}({p})`",
    "function that is called {n}", "function in Python called {n}", "function by the name of {n}", "method called {n}",
    "method `{n}`", "class named {n}", "class `{n}`", "coroutine named {n}", "generator called {n}", "decorator `{n}`",
)  # fmt: skip
AFTERWARDS = (
    "Name it {n}.", "Call it `{n}`.", "The function should be called {n}.", "The function must be named `{n}`.",
    "Name the function {n}.", "Function name: {n}", "The function name should be {n}.", "It should be named {n}.",
    "Your function must be named exactly {n}.", "Entry point: `{n}`", "Signature: `{n}({p})`", "Name your function {n}.",
)  # fmt: skip
BARE = (
    "Implement `{n}({p})`.",
    "Write {n}({p}).",
    "Implement `{n}`.",
    "Write `{n}({p})` in Python.",
)
SIGNATURES = (
    'Complete the following function:\n\ndef {n}({p}):\n    """Do it."""\n',
    "Complete the following function:\n\n```python\ndef {n}({p}):\n    # your code here\n    pass\n```",
    'def {n}({p}):\n    """Do it.\n    >>> {n}(1)\n    2\n    """\n',
    "Implement this:\n```ts\nexport function {n}({p}): number {{\n}}\n```",
    "Finish the code.\n\nconst {n} = ({p}) => {{\n",
    "Fix the bug:\n```python\ndef {n}({p}):\n    return 1\n```",
    "Write `def {n}({p})` so that it adds.",
    "Write `const {n} = ({p}) => …` in TypeScript.",
    "Write `export function {n}({p}): number`.",
)
PORTUGUESE = (
    "Escreva uma função chamada {n}.", "Implemente a função `{n}({p})`.", "Crie uma função `{n}` que soma.",
    "Escreva uma função em Python chamada {n} que soma dois números.", "Crie uma classe chamada `{n}`.",
)  # fmt: skip
NAMES = st.from_regex(
    r"[a-z]{3,8}(_[a-z]{2,6}){1,2}|[a-z]{3,6}[A-Z][a-z]{2,6}|[a-z]{4,7}[0-9]", fullmatch=True
)
PLAIN = st.sampled_from(
    ["add", "inc", "twice", "gcd", "total", "largest", "solve", "merge", "scale", "f", "fact"]
)


@st.composite
def wordings(draw: st.DrawFn) -> tuple[str, str]:
    """A request, and the name that it gives."""
    name = draw(NAMES | PLAIN)
    parameters = draw(st.sampled_from(["n", "a, b", "values"]))
    lead = draw(st.sampled_from(LEADS))
    verb = draw(st.sampled_from(VERBS))
    ask = f"{lead}{verb if lead and lead.rstrip()[-1:] not in '.:!' else verb.capitalize()} a"
    shape = draw(st.sampled_from(["named", "afterwards", "bare", "signature", "portuguese"]))
    if shape == "named":
        text = f"{ask}{draw(st.sampled_from(MODIFIERS))}{draw(st.sampled_from(NAMINGS))}."
    elif shape == "afterwards":
        text = f"{ask}{draw(st.sampled_from(MODIFIERS))}function that adds two numbers. {draw(st.sampled_from(AFTERWARDS))}"
    else:
        forms = {"bare": BARE, "signature": SIGNATURES, "portuguese": PORTUGUESE}[shape]
        text = draw(st.sampled_from(forms))
        # A single letter with brackets may be mathematics, and a bare word may be a word.
        assume(len(name) > 1)
    # "A function that is called twice" may be either.
    assume(name != "twice" or "called" not in text)
    return text.format(n=name, p=parameters), name


@settings(max_examples=600, deadline=None)
@given(wordings())
def test_a_name_is_read_from_any_usual_wording(wording: tuple[str, str]) -> None:
    text, name = wording
    request = asks(text)
    assert request.names == (name,), text
    assert (
        request.code
        or "class" in text
        or "method" in text
        or "generator" in text
        or "decorator" in text
    ), text


MENTIONS = (
    "Write tests for the function {n}.", "Write a unit test for a function called {n}.", "What does the function {n} do?",
    "Explain the function `{n}`.", "How do I write a function called {n}?", "Explain how to write a function called {n}.",
    "Write a function to open a file named {n}.", "Write a function that reads a column called {n}.",
    "Describe the method `{n}` of lists.", "Write code that calls a function named {n}.", "Write a poem called {n}.",
    "Which class is called {n}?", "Write a function which is called when the user clicks.", "Write a story about {n}.",
    "Write a linear function {n}(x) through the origin.", "Write a docstring for the function {n}.",
    'Call one of these: [{{"name": "{n}", "parameters": {{"method": {{"type": "string"}}}}}}]',
    "Write a test for this:\n```python\ndef {n}(x):\n    return x\n```",
    "What does this print?\n```python\ndef {n}(x):\n    return x\n```",
    "Translate to TypeScript:\n```python\ndef {n}(x):\n    return x\n```",
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(MENTIONS), NAMES)
def test_a_name_that_is_only_mentioned_is_not_asked_for(form: str, name: str) -> None:
    assert asks(form.format(n=name)).names == ()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Create a class named Stack with methods push, pop and peek.", "Stack push pop peek"),
        ("Write a class `Stack` with methods `push`, `pop` and `peek`.", "Stack push pop peek"),
        ("Build a class Queue, with enqueue() and dequeue() methods.", "Queue enqueue dequeue"),
        ("Write two functions, `enc(s)` and `dec(s)`.", "enc dec"),
        ("Write functions named enc and dec.", "enc dec"),
        ("Write a function named `f` and a test for it.", "f"),
        ("Write a Python function `a1` and a function named `check_a`.", "a1 check_a"),
        ("Implement class Matrix with a method `transpose`.", "Matrix transpose"),
        ("Implement the `merge_sort` function.", "merge_sort"),
        ("Write an is_prime function.", "is_prime"),
        ("Implement `Account.deposit` in Python.", "Account.deposit"),
        ("Write an interface Shape and a class Circle in TypeScript.", "Shape Circle"),
        ("Create a Python module with a function `load` and a class `Loader`.", "load"),
        ("Write a python script that defines a function main_entry().", "main_entry"),
        ("Write a class called `Foo` which has a method called `bar`.", "Foo bar"),
        ("Write the `reset` method of class Counter.", "reset"),
        ("Implement a generic class Stack<T> in TypeScript.", "Stack"),
        ("Write a Python decorator @memoize.", "memoize"),
        ("write a func called add", "add"),
        ("My library has a function called load. Write a poem about it.", ""),
        ("Write a function pointer example in C.", ""),
        ("Create a class hierarchy of animals.", ""),
        ("Write a function recursively computing factorials.", ""),
        ("Write a function(s) to sort.", ""),
    ],
)
def test_several_names_and_words_that_look_like_one(text: str, names: str) -> None:
    assert asks(text).names == tuple(names.split())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Write Python code that prints hello.", True),
        ("I need a function that adds.", True),
        ("I'd like a script in bash that counts files.", True),
        ("Write a program that reads a CSV file.", True),
        ("Write a Python class for bank accounts.", True),
        ("Add a unit test for this function.", True),
        ("Implement quicksort in Python.", True),
        ("How do I implement quicksort in Python?", False),
        ("Write a tutorial on lists in Python.", False),
        ("How do I write a function in Python?", False),
        ("Should I write a function here?", False),
        ("Write a short story about a class trip.", False),
        ("Write a program for our charity concert.", False),
        ("Write a script for a short promotional video.", False),
        ("Write the function of the liver in one sentence.", False),
        ("Write a quadratic function f(x) with roots 2 and 3.", False),
        ("Write a code of conduct for the club.", False),
        ("Give an example of a class of animals.", False),
        ("Write sin(x) as a Taylor series.", False),
        ("Never write a function in this answer. What is recursion?", False),
        ("Give the bash command to list files.", True),
    ],
)
def test_whether_code_is_asked_for(text: str, code: bool) -> None:
    assert asks(text).code is code


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("write a function `f` ()\n:.,\"'defclass called"), max_size=120))
def test_any_request_is_read(text: str) -> None:
    assert all(name for name in asks(text).names)


def test_a_long_request_is_read_in_linear_time() -> None:
    for unit in (
        "write a function ",
        "`",
        "(",
        "def f(",
        "a function called ",
        "```\n",
        "const f = (",
        "methods ",
    ):
        assert isinstance(asks(unit * 20_000).code, bool)


def test_parameters_are_those_of_the_signature() -> None:
    assert parameters_of("def f(a, b: int = 1, *c):\n", "f") == ("a", "b")
    assert parameters_of("def f(a):\n", "g") is None


# -- the name in the answer ------------------------------------------------------------------------

PYTHON = (
    "def {n}(a, b=1):\n    return a + b\n", "```python\ndef {n}(a):\n    return a * 2\n```", "{n} = lambda a: a + 1\nx = 1\n",
    "async def {n}(a):\n    return a + 1\n", "class Solution:\n    def {n}(self, a):\n        return a + 1\n",
    "class {n}:\n    def run(self):\n        return self\n",
    "Sure, in two steps:\n```python\nimport math\n```\n\n```python\ndef {n}(a):\n    return math.sqrt(a)\n```",
)  # fmt: skip
SCRIPT = (
    "function {n}(a: number): number {{\n  return a + 1;\n}}", "export const {n} = (a: number) => a + 1;",
    "export default async function {n}<T>(a: T): Promise<T> {{\n  return a;\n}}", "const {n} = function (a) {{ return a; }};",
    "class A {{\n  {n}(a: number) {{\n    return a;\n  }}\n}}", "export class {n} {{ x = 1; }}",
    "module.exports.{n} = (a) => a;", "const {n}: (a: number) => number = (a) => {{\n  return a;\n}};",
    "function {n}(a: {{x: number}}): {{y: number}} {{\n  return {{y: a.x}};\n}}",
)  # fmt: skip


def _label(request: str, answer: str, category: str | None = None) -> CriticLabels:
    row = Candidate(
        id="1",
        source="t",
        messages=(Message("user", request),),
        completion=answer,
        category=category,
    )
    return next(label([row], workers=1))


@settings(max_examples=60, deadline=None)
@given(wordings(), st.sampled_from(PYTHON), NAMES)
def test_python_is_checked_by_the_name_that_was_asked(
    wording: tuple[str, str], form: str, other: str
) -> None:
    text, name = wording
    assume(not keyword.iskeyword(name) and other != name)
    # The signature of a request may ask for other parameters: its name is what is looked at here.
    right = _label(text, form.format(n=name))
    assert right.entrypoint_match.code in ("ok", "signature"), (text, right.entrypoint_match)
    wrong = _label(text, form.format(n=other))
    assert wrong.entrypoint_match.code == "missing_entry_point", (text, wrong.entrypoint_match)
    assert wrong.accepted.value is False


@settings(max_examples=30, deadline=None)
@given(wordings(), st.sampled_from(SCRIPT), NAMES)
def test_typescript_is_checked_by_the_name_that_was_asked(
    wording: tuple[str, str], form: str, other: str
) -> None:
    text, name = wording
    assume(other != name)
    right = _label(text, f"```ts\n{form.format(n=name)}\n```")
    assert right.entrypoint_match.value is True, (text, right.entrypoint_match)
    wrong = _label(text, f"```ts\n// function {name}() {{}}\n{form.format(n=other)}\n```")
    assert wrong.entrypoint_match.code == "missing_entry_point", (text, wrong.entrypoint_match)
    assert wrong.accepted.value is False


@pytest.mark.parametrize(
    "answer",
    [
        "```java\npublic static int twice(int a) { return 2 * a; }\n```",
        "```go\nfunc twice(a int) int { return 2 * a }\n```",
        "```haskell\ntwice x = x + x\n```",
        "```r\ntwice <- function(x) 2 * x\n```",
        "```bash\ntwice() { echo $(( $1 * 2 )); }\n```",
        "```lisp\n(defun twice (x) (* 2 x))\n```",
    ],
)
def test_other_languages_are_checked_by_name_as_far_as_lines_show(answer: str) -> None:
    assert _label("Write a function twice that doubles.", answer).entrypoint_match.value is True
    other = _label("Write a function twice that doubles.", answer.replace("twice", "double"))
    assert other.entrypoint_match.code == "missing_entry_point"


def test_a_function_inside_another_one_does_not_count() -> None:
    nested = "def main():\n    def twice(n):\n        return 2 * n\n    return twice(1)\n"
    assert (
        _label("Write a function twice(n).", nested).entrypoint_match.code == "missing_entry_point"
    )
    script = "```ts\nfunction main() {\n  function twice(n: number) { return 2 * n; }\n  return twice(1);\n}\n```"
    assert (
        _label("Write a function twice(n).", script).entrypoint_match.code == "missing_entry_point"
    )


def test_only_the_last_turn_asks() -> None:
    turns = (
        Message("user", "Write a function twice(n)."),
        Message("assistant", "def twice(n):\n    return 2 * n\n"),
    )
    for last, answer in (
        ("Thanks! Why does it work?", "Adding a number to itself doubles it."),
        ("Now write a function thrice(n).", "def thrice(n):\n    return 3 * n\n"),
    ):
        row = Candidate(
            id="1", source="t", messages=(*turns, Message("user", last)), completion=answer
        )
        assert next(label([row], workers=1)).accepted.value is True
