"""Blocks of code as models write them: fences by CommonMark's rules, tags, indentation; stop tokens
that are only named."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.fences import fences, indented_blocks, tagged_blocks
from sentinel_pipeline.critic.formats import stop_problem
from sentinel_pipeline.critic.reading import read
from sentinel_pipeline.critic.repetition import invalid_text

CODE = "def half(n):\n    return n / 2"
DEEP = CODE.replace("\n", "\n   ")


@pytest.mark.parametrize(
    "text",
    [
        f"Here:\n\n~~~python\n{CODE}\n~~~\n",
        f"`````python\n{CODE}\n`````",
        f"```python\n{CODE}\n`````",
        f"   ```python\n   {DEEP}\n   ```",
        f"1. First:\n\n   ```python\n   {DEEP}\n   ```\n2. Then run it.",
        f"- ```python\n  {CODE.replace(chr(10), chr(10) + '  ')}\n  ```",
        f"10. Here:\n\n    ```py\n    {CODE.replace(chr(10), chr(10) + '    ')}\n    ```",
        f"> ```python\n> {CODE.replace(chr(10), chr(10) + '> ')}\n> ```",
        f"```{{python}}\n{CODE}\n```",
        f"```{{.python .numberLines}}\n{CODE}\n```",
        f"```python:half.py\n{CODE}\n```",
        f"```Python3 title=half.py\n{CODE}\n```",
        f"``` python\n{CODE}\n```  \n",
        f"````markdown\n# Answer\n\n```python\n{CODE}\n```\n\nDone.\n````",
        f"~~~md\nText\n```python\n{CODE}\n```\n~~~",
        f"```python\n{CODE}```",
        f"{CODE}```\n",
        f"[PYTHON]\n{CODE}\n[/PYTHON]",
        f"Sure.\n\n[PYTHON]\n{CODE}\n[/PYTHON]\nDone.",
        f"[PYTHON]\n{CODE}\n",
        f"{CODE}\n[/PYTHON]\n",
        f"[CODE]\n{CODE}\n[/CODE]",
        f"Use this:\n\n    {CODE.replace(chr(10), chr(10) + '    ')}\n",
        f"Use this:\n\n\t{CODE.replace(chr(10), chr(10) + chr(9))}\n\nIt halves n.\n",
        f"1. Use this:\n\n       {CODE.replace(chr(10), chr(10) + '       ')}\n",
        f"Install:\n\n    pip install x\n\nThen:\n\n    {CODE.replace(chr(10), chr(10) + '    ')}\n",
    ],
)
def test_the_program_is_found_without_what_marks_it(text: str) -> None:
    found = extract(text, "python", entry_point="half")
    assert (found.error, found.value.rstrip()) == (None, CODE)


@pytest.mark.parametrize(
    "doc",
    ['"""\n```\nhalf(4)\n```\n"""', "'''\n```\nhalf(4)\n```\n\n```\nhalf(6)\n```\n'''"],
)
def test_a_bare_fence_in_a_docstring_is_a_part_of_the_program(doc: str) -> None:
    program = f"HELP = {doc}\n\n{CODE}"
    found = extract(f"```python\n{program}\n```\nIt halves.", "python")
    assert found.value == program and found.leniencies == ("fenced", "prose_around_fence")


def test_a_docstring_fence_that_is_indented_as_the_program_is_does_not_end_it() -> None:
    program = (
        'def half(n):\n    """Halve.\n\n    ```\n    half(4)\n    ```\n    """\n    return n / 2'
    )
    assert extract(f"```python\n{program}\n```", "python").value == program


def test_a_docstring_that_never_ends_does_not_swallow_the_next_block() -> None:
    text = '```python\nx = """\n```\n\nand\n\n```python\ny = """\n```'
    assert [block.body for block in fences(text)] == ['x = """\n', 'y = """\n']


def test_a_shorter_or_other_fence_does_not_close_a_block() -> None:
    (block,) = fences("````text\n```\n~~~~\n````")
    assert (block.body, block.closed) == ("```\n~~~~\n", True)
    (block,) = fences("```text\n- ```\n    ```\n``` x\n```")
    assert block.body == "- ```\n    ```\n``` x\n"


def test_blocks_inside_a_block_of_markdown_have_their_places_in_the_whole() -> None:
    text = f"Here:\n````md\nA\n```sql\nselect 1\n```\n```python\n{CODE}\n```\n````\nend"
    assert [(block.tag, text[block.start : block.end].split("\n")[0]) for block in fences(text)] == [
        ("sql", "```sql"),
        ("python", "```python"),
    ]  # fmt: skip


def test_a_block_of_markdown_without_blocks_is_itself() -> None:
    (block,) = fences("```markdown\n# Title\n```")
    assert (block.tag, block.body) == ("markdown", "# Title\n")


def test_a_fence_among_the_lines_of_a_diff_is_a_line_of_the_file() -> None:
    diff = "--- a/r.md\n+++ b/r.md\n@@ -1,3 +1,3 @@\n ```\n-old\n+new\n ```\n"
    assert extract(f"```diff\n{diff}```", "diff").value == diff


def test_a_body_that_continues_a_function_keeps_its_indentation() -> None:
    body = "    total = n\n\n    def inner():\n        return total\n    return inner()\n"
    assert extract(body, "python").value == body.rstrip()
    assert extract(f"```python\n{body}```", "python").value == body.rstrip()


def test_capital_words_in_brackets_inside_a_program_are_no_tags() -> None:
    program = 'print("[PYTHON] starts")\nx = ["[CODE]", "[/CODE]"]\n'
    assert extract(program, "python").value == program.rstrip()
    assert tagged_blocks("[SQL]\nhost = db\n[CODE]\nx = 1\n") == []


def test_indentation_marks_a_query_or_a_command_after_a_sentence_only() -> None:
    assert extract("Run this:\n\n    select 1\n", "sql").value == "select 1"
    assert extract("List them:\n\n    ls -l\n", "shell").value == "ls -l"
    assert extract("Key:\n\n    sub: 1\n", "yaml").value == "Key:\n\n    sub: 1"
    assert (
        indented_blocks("    all of it\n") == [] and indented_blocks("no\n    blank line\n") == []
    )


def test_tags_tell_the_language_as_fences_do() -> None:
    reading = read(f"[PYTHON]\n{CODE}\n[/PYTHON]", None)
    assert (reading.language, reading.code) == ("python", CODE)


@pytest.mark.parametrize(
    "answer",
    [
        "A turn ends with `<|im_end|>`, which is one token.",
        'It prints "<|eot_id|>" and goes on.',
        "```python\nSTOP = '<|im_end|>'\nprint(STOP)\n```",
    ],
)
def test_a_stop_token_that_is_only_named_is_no_leak(answer: str) -> None:
    assert stop_problem(answer) is None and invalid_text(answer) is None


@pytest.mark.parametrize(
    "answer", ["It is 4.<|im_end|>\nAnd more.", "Named `<|im_end|>` here. <|im_end|> Leaked."]
)
def test_a_stop_token_that_leaks_is_named(answer: str) -> None:
    assert str(stop_problem(answer)).startswith("after_stop: ")
    assert str(invalid_text(answer)).startswith("special_token: <|im_end|>")


PIECES = st.sampled_from(
    ["```", "````", "~~~", "```python", "```md", "````markdown", '"""', "'''", "\n", " ", "    ", "> ", "- ", "1. ", "x = 1",
     "[PYTHON]", "[/PYTHON]", "[CODE]", "[/CODE]", "Text:", "`", "def f():", "\r\n", "\t"]
)  # fmt: skip


@given(pieces=st.lists(PIECES | st.just("\n"), max_size=60))
@settings(max_examples=300, deadline=None)
def test_blocks_stand_in_order_within_the_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    for blocks in (fences(text), tagged_blocks(text), indented_blocks(text)):
        places = [place for block in blocks for place in (block.start, block.end)]
        assert places == sorted(places) and all(0 <= place <= len(text) for place in places)
    for kind in ("python", "typescript", "sql", "shell", "yaml", "diff", "json", "text"):
        extract(text, kind)


@pytest.mark.parametrize(
    "unit",
    ['```python\n"""\n```\n', "```md\n", "````md\n```md\n", "> " * 3 + "```\n", "`" * 50 + "\n", "[PYTHON]\n",
     "[CODE]\n", "    \n", "- 1. ```x\n"],
)  # fmt: skip
def test_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(times: int) -> float:
        text = "Text:\n" + unit * times
        start = time.process_time()
        fences(text)
        tagged_blocks(text)
        indented_blocks(text)
        return time.process_time() - start

    short = min(seconds(1000) for _ in range(3))
    assert min(seconds(8000) for _ in range(2)) < 40 * short + 0.2
