"""Repetition told apart from what is equal by nature: loops in any script on one side, tables,
matrices, cells, brackets, tabs and lists on the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates.shapes import to_candidate
from sentinel_pipeline.critic.hygiene import no_repetition
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline.records import Candidate, Message


def _label(answer: str, prompt: str = "Write it out.") -> tuple[bool | None, str]:
    row = Candidate(id="r", source="s", messages=(Message("user", prompt),), completion=answer)
    found = next(label([row])).no_repetition
    return found.value, found.code


def _fence(body: str, tag: str = "") -> str:
    return f"```{tag}\n{body}\n```"


_PASSAGE = (
    "The committee met on a wet morning and went through the budget line by line, because nobody "
    "had read the draft before, and the chair wanted every number explained to her twice. "
)
_LONG = " ".join(
    f"Point{n} leads from {w} to the next." for n, w in enumerate("abcdefghijklmnopqrstuvwxyz")
)
LOOPS = {
    "a word": "very " * 60,
    "fences that close nothing": _fence("x = 1", "python") + "\n```" * 24,
    "a short sentence": "I do not know. " * 25,
    "a sentence of forty words": " ".join(f"term{n}" for n in range(40)) + ". ",
    "a passage eight times": _PASSAGE * 8,
    "a passage of 150 words three times": (_LONG + " ") * 3,
    "a passage of 80 words five times": (" ".join(_LONG.split()[:80]) + " ") * 5,
    "lines of a period of 30": "\n".join(f"This is the line of {w}." for w in _LONG.split()[:30] * 7),
    "a question and its answer": "Q: Is it done?\nA: Not yet.\n" * 20,
    "Chinese without spaces": "对不起，我不明白你的意思。" * 30,
    "Chinese words without marks": "没有办法继续" * 40,
    "Japanese without spaces": "申し訳ありませんが、できません。" * 30,
    "Thai without spaces": "ผมไม่สามารถตอบได้" * 30,
    "Thai with spaces": "ผมไม่ทราบ ครับ " * 30,
    "Khmer without spaces": "ខ្ញុំមិនយល់ទេ" * 30,
    "Lao without spaces": "ຂ້ອຍບໍ່ເຂົ້າໃຈ" * 30,
    "Korean": "죄송합니다. 다시 시도하겠습니다. " * 20,
    "Arabic": "لا أستطيع الإجابة على هذا السؤال. " * 20,
    "Hindi": "मुझे नहीं पता। " * 30,
    "Russian": "Я не понимаю вопрос. " * 20,
    "Chinese lines": "请再试一次。\n" * 30,
    "counted Chinese": "".join(f"第{n}步：再试一次。" for n in range(1, 60)),
    "counted sentences": " ".join(f"Attempt {n} did not work, so I try again." for n in range(60)),
    "counted lines": "\n".join(f"{n}. Check the result again." for n in range(1, 80)),
    "counted down": "\n".join(f"There are {n} steps left to do." for n in range(90, 1, -1)),
    "counted items of one word": " ".join(f"Item {n}." for n in range(1, 120)),
    "numbers for ever": " ".join(map(str, range(1, 700))),
    "numbers for ever, a line each": "\n".join(map(str, range(1, 700))),
    "counted pairs of lines": "\n".join(f"Step {n}\nNow we repeat the step above." for n in range(60)),
    "blank lines": "The answer is 4." + "\n" * 3000,
    "blank lines within": "First.\n" + "\n" * 200 + "Last.",
    "blank lines with spaces": "Yes." + " \n" * 500,
    "spaces": "Yes." + " " * 4000,
    "tabs": "Yes." + "\t" * 2000,
    "zero-width characters": "Yes." + "\u200b" * 300,
    "no-break spaces": "Yes." + "\u00a0" * 300,
    "an emoji": "Nice " + "\U0001f600" * 200,
    "an emoji with spaces": "\U0001f525 " * 60,
    "two emoji": "\U0001f389\U0001f38a" * 60,
    "hearts": "I love it " + "\u2764\ufe0f" * 80,
    "flags": "\U0001f1e7\U0001f1f7" * 80,
    "lines of emoji": "\U0001f600\U0001f600\U0001f600\n" * 60,
    "emoji and a word": "wow \U0001f602 " * 40,
    "laughter": "ha" * 120,
    "closing braces that nothing opened": "}\n" * 60,
    "opening calls that nothing closes": "f(function(){\n" * 60,
    "table rows that never end": "| 0 | yes |\n" * 400,
    "zeros that never end": "x = [\n" + "    0, 0, 0, 0,\n" * 400,
    "cells that never end": "<tr>\n" + "<td></td>\n" * 400,
    "line breaks of HTML": "Done." + "<br>\n" * 300,
    "a paragraph of HTML": "<p>Please try again later.</p>\n" * 20,
    "an assignment": "x = x + 1\n" * 40,
    "a comment": "# and so on and so forth\n" * 20,
    "a statement of SQL": "INSERT INTO t VALUES (1, 'a');\n" * 30,
    "a function": "def f(x):\n    return x\n\n" * 12,
    "table rows with sentences": "| the quick brown fox jumps over the dog | again |\n" * 20,
}  # fmt: skip
LOOPS["a sentence of forty words"] *= 8

NOT_LOOPS = {
    "empty blocks": "Three places to fill in:\n" + "```\n\n```\n" * 3,
    "a zero matrix": _fence("m = [\n" + "    [0, 0, 0, 0, 0, 0, 0, 0],\n" * 30 + "]", "python"),
    "a zero matrix without a fence": "[\n" + "[0, 0, 0, 0],\n" * 40 + "]",
    "a plain zero matrix": "0 0 0 0 0 0 0 0 0 0\n" * 40,
    "a hundred by a hundred": "\n".join(" ".join("0" * 100) for _ in range(100)),
    "a matrix of floats": _fence("[\n" + "  [0.0, 0.0, 0.0],\n" * 24 + "]", "python"),
    "a matrix in C": _fence("int m[20][4] = {\n" + "    {0, 0, 0, 0},\n" * 20 + "};", "c"),
    "an identity of booleans": _fence("[\n" + "  [False, False, False],\n" * 20 + "]", "python"),
    "nulls": _fence("[\n" + "  null,\n" * 40 + "  null\n]", "json"),
    "Nones": _fence("row = [\n" + "    None,\n" * 30 + "]", "python"),
    "empty strings": _fence("row = [\n" + '    "",\n' * 30 + "]", "python"),
    "hexadecimal zeros": _fence("{\n" + "  0x00, 0x00, 0x00, 0x00,\n" * 32 + "}", "c"),
    "a bitmap": _fence("........\n" * 20),
    "a LaTeX matrix": _fence("0 & 0 & 0 \\\\\n" * 20, "latex"),
    "equal JSON points": _fence("[\n" + '  {"x": 0, "y": 0},\n' * 25 + '  {"x": 1, "y": 1}\n]', "json"),
    "empty cells": _fence("<tr>\n" + "<td></td>\n" * 40 + "</tr>", "html"),
    "cells with a space": _fence("<tr>\n" + "<td>&nbsp;</td>\n" * 40 + "</tr>", "html"),
    "cells with a word": _fence("<tr>\n" + "<td>n/a</td>\n" * 30 + "</tr>", "html"),
    "cells on one line": "<table><tr>" + "<td></td>" * 40 + "</tr></table>",
    "cells on one line with spaces": "<table><tr> " + "<td></td> " * 40 + "</tr></table>",
    "empty rows of HTML": _fence("<table>\n" + "<tr>\n<td></td>\n<td></td>\n</tr>\n" * 20 + "</table>", "html"),
    "empty rows of Markdown": "| a | b |\n|---|---|\n" + "|   |   |\n" * 25,
    "equal rows of Markdown": "| day | open |\n|---|---|\n" + "| - | yes |\n" * 30,
    "line breaks": "one" + "<br>" * 30 + "two",
    "a blank CSV": _fence("a,b,c\n" + ",,\n" * 30, "csv"),
    "closing braces": _fence("f(function(){\n" * 15 + "});\n" * 15, "js"),
    "closing braces, indented": _fence(
        "".join(f"{'  ' * n}if (a{n}) {{\n" for n in range(20)) + "".join(f"{'  ' * (19 - n)}}}\n" for n in range(20)), "js"
    ),
    "closing tags": _fence("<div>\n" * 20 + "text\n" + "</div>\n" * 20, "html"),
    "closing words": _fence("".join(f"if a{n} then\n" for n in range(20)) + "end\n" * 20, "lua"),
    "closing brackets of JSON": '{"a":' * 25 + "1" + "}" * 25,
    "nested calls": _fence("f(" * 30 + "x" + ")" * 30, "python"),
    "drum tabs": _fence("HH|x-x-x-x-x-x-x-x-|\nSD|----o-------o---|\nBD|o-------o-------|\n\n" * 12),
    "drum tabs without a fence": "HH|x-x-x-x-x-x-x-x-|\nSD|----o-------o---|\nBD|o-------o-------|\n" * 12,
    "a long bar": _fence("HH|" + "x-x-x-x-x-x-x-x-|" * 8),
    "guitar tabs": _fence("e|---0---0---0---0-|\nB|-1---1---1---1---|\n" * 10),
    "chords": "| C | G | Am | F |\n" * 12,
    "chords without bars": "C G Am F\n" * 12,
    "a counted table": "| n | ok |\n|---|---|\n" + "".join(f"| {n} | yes |\n" for n in range(60)),
    "counted keys": _fence("".join(f"- name: n{n}\n  image: busybox\n" for n in range(50)), "yaml"),
    "counted keys without a fence": "".join(f"- name: n{n}\n  image: busybox\n" for n in range(50)),
    "counted tests": _fence("".join(f"def test_{n}():\n    assert f({n}) == {n}\n\n" for n in range(40)), "python"),
    "counted assertions without a fence": "".join(f"assert f({n}) == {n * n}\n" for n in range(40)),
    "a lookup table": _fence("t = [\n" + "".join(f"    {n},\n" for n in range(256)) + "]", "python"),
    "a times table": " ".join(f"7 times {n} is {7 * n}." for n in range(1, 31)),
    "a hex dump": _fence("".join(f"{16 * n:08x}  {'00 ' * 16}\n" for n in range(40))),
    "a plan of a week": "\n".join(f"Day {n}: walk {2 * n} km." for n in range(1, 31)),
    "numbers to a hundred": " ".join(map(str, range(1, 101))),
    "a chorus": ("We are sailing home tonight,\nby the stars and by their light.\n\n") * 5,
    "a log": _fence("".join(f"12:00:{n:02d} INFO request served\n" for n in range(60))),
    "stars of a rating": "Rating: \u2605\u2605\u2605\u2605\u2605\n" * 5,
    "a bar of progress": "[" + "\u2588" * 60 + "] 100%",
    "squares of a game": "\U0001f7e9\U0001f7e9\U0001f7e9\U0001f7e9\U0001f7e9\n" * 6,
    "a few emoji": "Great job! " + "\U0001f389" * 8,
    "a family of emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 and \U0001f1e7\U0001f1f7",
    "a DNA sequence": "ATGCGTACCTGAATCGGCTA" * 40,
    "base64 with a run": _fence("icon = 'iVBORw0KGgo" + "A" * 120 + "BCD'"),
    "blank lines between": "one\n\n\n\n\n\ntwo\n" * 3,
    "Chinese prose": "编写一个函数，计算列表中所有数的和，并在列表为空时返回零。然后写一些测试，检查负数和很大的数。",
    "Thai prose": "เขียนฟังก์ชันที่รับรายการของตัวเลขและคืนค่าผลรวมของตัวเลขทั้งหมด ถ้ารายการว่างให้คืนค่าศูนย์",
    "Japanese prose": "与えられた文字列を逆順にする関数を書いてください。空の文字列の場合は、空の文字列を返します。",
    "colours of a terminal": _fence("\x1b[31merror\x1b[0m: it failed\n\x1b[1;32mok\x1b[0m"),
    "a link of a terminal": _fence("\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\"),
}  # fmt: skip


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_is_refused_as_one(name: str) -> None:
    value, code = _label(LOOPS[name])
    assert value is False and code.endswith("_loop"), code


@pytest.mark.parametrize("name", NOT_LOOPS)
def test_what_is_equal_by_nature_is_no_loop(name: str) -> None:
    assert _label(NOT_LOOPS[name]) == (True, "ok")


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("Give a skeleton of an abstract class.", "class B:\n    def f(self):\n        # TODO: implement\n        pass"),
        ("Write a template that I can fill in.", "def f(x):\n    # your code here\n    pass"),
        ("Two sentences of lorem ipsum, please.", "Lorem ipsum dolor sit amet. Consectetur adipiscing elit."),
    ],
)  # fmt: skip
def test_a_skeleton_that_is_asked_for_is_no_stub(prompt: str, answer: str) -> None:
    assert _label(answer, prompt) == (True, "ok")
    assert _label(answer, "Write a function that adds two numbers.") == (False, "stub")


def test_to_count_up_to_a_number_that_is_asked_for_is_no_loop() -> None:
    numbers = " ".join(map(str, range(1, 501)))
    assert _label(numbers, "Count from 1 to 500.") == (True, "ok")
    assert _label(numbers, "Say something.") == (False, "count_loop")


def test_earlier_answers_and_system_turns_may_not_loop() -> None:
    for role in ("system", "assistant"):
        turns = (Message("user", "Hi"), Message(role, "no way " * 60), Message("user", "And?"))
        row = Candidate(id="r", source="s", messages=turns, completion="Fine, thank you.")
        found = next(label([row])).no_repetition
        assert found.value is False and found.reason.endswith("(in turn 2)"), found
    log = Message("user", "GET / 200\n" * 60)
    row = Candidate(id="r", source="s", messages=(log,), completion="All is well.")
    assert next(label([row])).no_repetition.value is True


def test_terminal_codes_that_colour_nothing_and_broken_ones_are_invalid() -> None:
    for text in ("\x1b[31m\x1b[0m", "a \x1b b", "a \x1b[31m b \x00", "a \x07 b"):
        assert no_repetition(text).code == "invalid_character", text


_PROSE = st.lists(
    st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=9),
    min_size=3,
    max_size=70,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(unit=_PROSE, before=_PROSE)
def test_any_sentence_that_stands_eight_times_in_a_row_is_a_loop(
    unit: list[str], before: list[str]
) -> None:
    text = f"{' '.join(before)}. " + f"{' '.join(unit)}, ahead. " * 8
    assert no_repetition(text).code in ("word_loop", "char_loop")


@settings(max_examples=60, deadline=None)
@given(
    words=st.lists(
        st.text(alphabet="abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=9),
        min_size=100,
        max_size=300,
        unique=True,
    )
)
def test_no_text_of_different_words_is_a_loop(words: list[str]) -> None:
    assert no_repetition(" ".join(words), code=True).code != "word_loop"


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 100),
    columns=st.integers(1, 30),
    value=st.sampled_from(["0", "0.0", "None", "false", "null", '""', "-1", "0x00"]),
)
def test_no_matrix_of_one_value_is_a_loop(rows: int, columns: int, value: str) -> None:
    line = f"    [{', '.join([value] * columns)}],"
    assert _label(_fence("[\n" + f"{line}\n" * rows + "]", "python")) == (True, "ok")


def test_the_cases_about_repetition_have_the_labels_that_are_right(cases_dir: Path) -> None:
    lines = (cases_dir / "label.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["id"][0] == "R"]
    rows = [
        to_candidate(json.loads(case["row"]), source="file:x", file="x", line=number)
        for number, case in enumerate(cases, start=1)
    ]
    assert len(cases) >= 17
    wrong = [
        (case["id"], found.no_repetition)
        for case, found in zip(cases, label(rows), strict=True)
        if found.no_repetition.value is not case["expect"]["no_repetition"]
    ]
    assert wrong == []
