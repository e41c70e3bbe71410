"""Categories, duplicates, decontamination, and the mix built from tables."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.mix import categories, near, normal, row_reading
from sentinel_pipeline.mix.build import build_mix
from sentinel_pipeline.mix.categories import category_of
from sentinel_pipeline.mix.decontam import decontaminate
from sentinel_pipeline.mix.near import lowest_bytes, shingles, signatures, similarity
from sentinel_pipeline.mix.normal import code_of, code_tokens, renamed, without_layout
from sentinel_pipeline.mix.row_reading import RowReading
from sentinel_pipeline.mix.survey import Entry, survey
from sentinel_pipeline.records import (
    CATEGORIES,
    Candidate,
    Message,
    PythonTests,
    RepairTrace,
    Task,
    Verifier,
)
from sentinel_pipeline.records.data_spec import CategoryRule, MixSpec
from sentinel_pipeline.records.decode import validate
from sentinel_pipeline.store import write_parquet

CODE = "def total(values):\n    result = 0\n    for value in values:\n        result += value * 3\n    return result\n"
SAME = (
    'def total(values):\n    """Sum."""\n    result=0  # start\n\n'
    "    for value in values:\n      result += value*3\n    return result\n"
)
RENAMED = (
    "def agg(xs):\n    acc = 0\n    for item in xs:\n        acc += item * 3\n    return acc\n"
)


def _candidate(prompt: str, completion: str, name: str = "c", **rest: Any) -> Candidate:
    return Candidate(
        id=name, source="test", messages=(Message("user", prompt),), completion=completion, **rest
    )


def _form(answer: str) -> str:
    return RowReading(_candidate("Do it.", answer)).form


@pytest.mark.parametrize(
    ("prompt", "completion", "category"),
    [
        ("Sum the values times three.", CODE, "executable_code"),
        ("Sum it", "```typescript\nlet x = 1\n```", "executable_code"),
        ("Fix this:\n```python\ndef f(: pass\n```", f"```python\n{CODE}```", "code_editing"),
        ("Change a to b", "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n", "code_editing"),
        ("Weather?", '{"name": "weather", "arguments": {"city": "Lima"}}', "tool_use"),
        ("Count the lines", "cat a.txt | wc -l", "devops"),
        ("How do I restart nginx on Ubuntu?", "Use the service manager.", "devops"),
        ("What is a good name for a cat?", "Tom.", "general_chat"),
        (
            "Continue.",
            "00:00:01,000 --> 00:00:02,000 Hi\n00:00:03,000 --> 00:00:04,000 there",
            "audio",
        ),
        ("Read this scanned page", "Lorem", "ocr"),
        ("Chapter one", "It was a long night in the old house. " * 100, "prose"),
    ],
)
def test_categories_are_decided_by_evidence(prompt: str, completion: str, category: str) -> None:
    assert category_of(RowReading(_candidate(prompt, completion))).category == category


def test_every_verifier_has_its_category() -> None:
    for kind in get_args(Verifier):
        assert kind.category in CATEGORIES


def test_the_sources_word_comes_first() -> None:
    assert category_of(RowReading(_candidate("Chat", CODE, category="devops"))) == (
        "devops",
        "given",
    )


def _built(
    folder: Path, rows: list[Candidate], traces: list[RepairTrace] | None = None, **spec: Any
) -> dict[str, Any]:
    write_parquet(folder / "a.parquet", (row.to_row() for row in rows), "candidates")
    write_parquet(folder / "r.parquet", (trace.to_row() for trace in traces or []), "repairs")
    banned = spec.pop("banned", set())
    # The rows here are texts: what is looked at is not their evidence.
    made = MixSpec(**({"shares": {"tool_use": 1.0}, "minimum_quality": "unverified"} | spec))
    with build_mix(
        folder / "a.parquet", folder / "r.parquet", banned=banned, spec=made, seed=1
    ) as mix:
        left = {one.id: (one.reason, one.stood_for_by) for one in mix.left_out}
        return {
            "ids": [row.id for row in mix.rows],
            "left": left,
            "report": mix.report.to_json(),
            "all": list(mix.left_out),
        }


def test_each_duplicate_names_the_row_that_stands_for_it(tmp_path: Path) -> None:
    near = CODE + "".join(
        f"\n\ndef extra_{n}(values):\n    return sum(values) + {n}\n" for n in range(12)
    )
    rows = [
        _candidate("Sum it", CODE, "1"),
        _candidate("Sum it", CODE, "2"),
        _candidate("sum  it!", SAME, "3"),
        _candidate("Sum it", RENAMED, "4"),
        _candidate("Add", CODE, "5"),
        _candidate("Sum it and more", near, "6"),
        _candidate("Sum it and more", near.replace("+ 11", "+ 12"), "7"),
        _candidate("Another request altogether, of many more words", near, "8"),
    ]
    made = _built(tmp_path, [replace(row, category="tool_use") for row in rows])
    assert made["left"] == {"2": ("exact", "1"), "3": ("normalised", "1"), "7": ("near", "6")}
    assert made["ids"] == ["1", "4", "5", "6", "8"]
    (near_one,) = (one for one in made["all"] if one.reason == "near")
    assert 0.85 <= near_one.similarity < 1
    kept = _built(
        tmp_path, [replace(row, category="tool_use") for row in rows], near_duplicates=1.0
    )
    assert "7" in kept["ids"]


def test_no_chain_of_small_steps_takes_a_row_out(tmp_path: Path) -> None:
    """Each row is like the one before it, the last unlike the first: what is out is like the very
    row that stands for it."""
    lines = [f"value_{n} = compute({n}, other={n * 7})" for n in range(60)]
    texts = ["\n".join(lines[start : start + 30]) for start in range(30)]
    rows = [
        _candidate("Write", text, f"{n:02}", category="tool_use") for n, text in enumerate(texts)
    ]
    made = _built(tmp_path, rows, near_duplicates=0.8)
    exact = {row.id: set(shingles(row.messages, row.completion)[1]) for row in rows}
    assert made["left"] and len(made["ids"]) >= 3
    for name, (reason, stands) in made["left"].items():
        overlap = len(exact[name] & exact[stands]) / len(exact[name] | exact[stands])
        assert reason == "near" and stands in made["ids"] and overlap > 0.68


def test_minhash_estimates_the_exact_similarity() -> None:
    import numpy as np

    sets = [[f"w{n}" for n in range(start, start + 400)] for start in (0, 20, 50, 100, 200, 400)]
    kept = lowest_bytes(signatures([(["same"], each) for each in sets]))
    found = similarity(kept[:1], kept)
    exact = [len(set(sets[0]) & set(each)) / len(set(sets[0]) | set(each)) for each in sets]
    assert np.abs(found - np.array(exact)).max() < 0.2


def test_renaming_keeps_builtins_apart() -> None:
    def shape(code: str, rename: bool = True) -> list[str]:
        return renamed(code_tokens(code)) if rename else code_tokens(code)

    assert shape(CODE) == shape(RENAMED) != shape(CODE, rename=False)
    assert shape("x = sum(y)") != shape("x = max(y)")
    assert shape("sum = 0\nsum += y") == shape("acc = 0\nacc += y"), (
        "an assigned builtin is the author's name"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("if a:\n    b()\nc()", "if a:\n    b()\n    c()"),
        ("x = 'a'", "x = 'b'"),
        ("return a // b", "return a"),
        ("f('# no comment')", "f('')"),
    ],
)
def test_different_programs_keep_different_forms(one: str, other: str) -> None:
    assert _form(one) != _form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 'a'", 'x  =  "a" # so'),
        ("def f():\n    '''Doc.'''\n    return 1", "def f():\n  return 1"),
        ("let x = 1; // one", "let x = 1; /* uno */"),
        ("Sure:\n```python\nx = 1\n```\nDone.", "```\nx = 1\n```"),
    ],
)
def test_layout_comments_and_quotes_do_not_count(one: str, other: str) -> None:
    assert _form(one) == _form(other)


def test_a_recipe_names_categories_of_its_own() -> None:
    shares = {"sql": 0.5, "testing": 0.3, "general_chat": 0.2}
    rules = {
        "sql": CategoryRule(languages=("sql",)),
        "testing": CategoryRule(words=("unit test",), sources=("file:t.jsonl",)),
    }
    spec = MixSpec(shares=shares, categories=rules)
    validate(spec)
    assert category_of(RowReading(_candidate("Rows?", "select a from t")), spec) == ("sql", "rule")
    asked = _candidate("Write a Unit-Test for f", "def test_f():\n    assert f()")
    assert category_of(RowReading(asked), spec).category == "executable_code", (
        "the source is another"
    )
    assert category_of(RowReading(replace(asked, source="file:t.jsonl")), spec) == (
        "testing",
        "rule",
    )
    assert category_of(RowReading(_candidate("Chat", "Hi.", category="sql")), spec) == (
        "sql",
        "given",
    )
    assert category_of(RowReading(_candidate("Chat", "Hi.", category="open_qa")), spec) == (
        "general_chat",
        "no other evidence",
    )


@pytest.mark.parametrize(
    ("name", "rule", "message"),
    [
        ("sql", CategoryRule(), "no condition"),
        ("sql", CategoryRule(languages=("slq",)), "Did you mean 'sql'"),  # type: ignore[arg-type]  # misspelt
        ("other", CategoryRule(words=("x",)), "has no share"),
        ("devops", CategoryRule(words=("x",)), "general evidence already"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(
    name: str, rule: CategoryRule, message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        validate(MixSpec(shares={"sql": 1.0}, categories={name: rule}))


TASK = Task(
    id="t1",
    suite="s",
    category="executable_code",
    family="f",
    messages=(
        Message(
            "user",
            "Return the sum of all values, each of them taken three times, as one whole number, and zero for an empty list.",
        ),
    ),
    verifier=PythonTests(tests="assert total([1]) == 3", entry_point="total"),
    reference=CODE,
)


@pytest.mark.parametrize(
    ("prompt", "completion", "kind"),
    [
        (TASK.messages[0].content.upper(), "anything", "prompt"),
        ("Something else", CODE.replace("\n", " \n"), "solution"),
        ("Something else", f"Sure:\n```python\n{RENAMED}```", "renamed_solution"),
        ("Please: " + TASK.messages[0].content + " Explain.", "no", "prompt"),
        (" ".join(TASK.messages[0].content.split()[:16]) + " or so", CODE * 2, "ngrams"),
    ],
)
def test_planted_contamination_is_found_by_kind(prompt: str, completion: str, kind: str) -> None:
    report = decontaminate(
        [_candidate(prompt, completion), _candidate("Clean", "x = 1", "d")], [TASK]
    )
    assert (report.rows, report.tasks) == (2, 1)
    assert [(hit.id, hit.task_id, hit.suite, hit.kind) for hit in report.hits] == [
        ("c", "t1", "s", kind)
    ]
    assert report.to_json()["by_kind"] == {kind: 1}
    assert "| c | t1 | s |" in report.to_markdown()


def test_shared_wording_is_no_contamination() -> None:
    wording = "Write a Python function that takes a list of whole numbers and gives back the {} of them as a number."
    tasks = [
        replace(TASK, id=str(n), messages=(Message("user", wording.format(word)),), reference="x")
        for n, word in enumerate(("sum", "mean", "mode", "range"))
    ]
    assert decontaminate([_candidate(wording.format("median"), "y")], tasks).hits == ()


def test_short_answers_recur_and_are_no_contamination() -> None:
    assert (
        decontaminate(
            [_candidate("Other", "ls | wc -l")], [replace(TASK, reference="ls | wc -l")]
        ).hits
        == ()
    )


def _trace(name: str, failed: str, accepted: str) -> RepairTrace:
    messages = (
        Message("user", f"q{accepted}"),
        Message("assistant", "bad"),
        Message("user", "Correct it."),
    )
    return RepairTrace(
        id=name,
        task_id=None,
        category="tool_use",
        failed_id=failed,
        accepted_id=accepted,
        reason="r",
        messages=messages,
        completion="1",
    )


def test_the_mix_leaves_out_banned_rows_duplicates_and_says_so(tmp_path: Path) -> None:
    rows = [_candidate(f"q{n}", "1", f"c{n}", category="tool_use") for n in range(40)]
    rows.append(_candidate("q1", "1", "again", category="tool_use"))
    traces = [
        _trace("r1", "f1", "c1"),
        _trace("r0", "f0", "c0"),
        _trace("r2", "f2", "c2"),
        _trace("r3", "f3", "c3"),
    ]
    made = _built(tmp_path, rows, traces, repair_share=0.05, banned={"c0"})
    ids = made["ids"]
    assert {"c0", "r0", "again"}.isdisjoint(ids)
    assert (len(ids), sum(name.startswith("r") for name in ids)) == (41, 2)
    assert made["report"]["left_out"] == {"benchmark": 2, "exact": 1, "not_drawn": 1}
    assert made["left"]["again"] == ("exact", "c1") and made["left"]["r0"] == ("benchmark", None)
    assert made["report"]["seen"] == 45 == len(ids) + len(made["left"])
    assert made == _built(tmp_path, rows, traces, repair_share=0.05, banned={"c0"})


def test_a_banned_row_stands_for_nobody(tmp_path: Path) -> None:
    rows = [_candidate("q", "1", name, category="tool_use") for name in ("one", "two")]
    made = _built(tmp_path, rows, banned={"one"})
    assert made["ids"] == ["two"] and made["left"] == {"one": ("benchmark", None)}


def test_each_row_is_read_once_for_category_quality_form_and_near_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks, language and tokens are worked out once a row, whoever asks."""
    calls: Counter[str] = Counter()
    for name in ("fences", "guess_language", "code_tokens", "prompt_of"):
        real = getattr(row_reading, name)

        def counting(*args: Any, name: str = name, real: Any = real, **options: Any) -> Any:
            calls[name] += 1
            return real(*args, **options)

        monkeypatch.setattr(row_reading, name, counting)
        for module in (normal, near, categories):
            monkeypatch.setattr(module, name, counting, raising=False)
    rows = [
        _candidate("Write it in Python.", f"Here:\n```\n{CODE}\nx{n} = 1\n```") for n in range(5)
    ]
    spec = MixSpec(
        minimum_quality="parsed",
        categories={
            "sql": CategoryRule(languages=("sql",)),
            "ts": CategoryRule(languages=("typescript",)),
        },
    )
    entries = (Entry(row, "candidate", (row.id,)) for row in rows)
    assert survey(entries, tmp_path, banned=(), spec=spec, seed=1) == 5
    assert calls == {"fences": 5, "guess_language": 5, "code_tokens": 5, "prompt_of": 5}


@given(st.text(st.sampled_from("ab=+# \n\t\b\"'(){}:/.1"), max_size=80))
def test_tokens_without_layout_are_those_of_a_text_that_is_read_without(text: str) -> None:
    row = RowReading(_candidate("Do it.", text))
    assert row.tokens == code_tokens(code_of(text))
    assert without_layout(code_tokens(code_of(text), structure=True), text) == row.tokens


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("sum the numbers", "s\u200bum t\u2060he numb\u00aders"),
        ("sum the numbers", "s\u0443m the numbers".replace("\u0443", "\u03c5")),
        ("sum the numbers", "\uff53\uff55\uff4d the numbers"),
        ("copy a list", "\u0441\u043ep\u0443 \u0430 list"),
        ("\u5199\u4e00\u4e2a\u51fd\u6570", "\u5199 \u4e00\u4e2a \u51fd\u6570"),
    ],
)
def test_what_looks_the_same_is_the_same_words(written: str, same: str) -> None:
    assert normal.words(written) == normal.words(same)
    assert normal.code_tokens(f"x = 1\n{written}") == normal.code_tokens(f"x = 1\n{same}")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("\u7f16\u5199\u4e00\u4e2a\u51fd\u6570\u6765\u8ba1\u7b97\u4e24\u4e2a\u6570\u7684\u548c", 8),
        ("\u4e0e\u3048\u3089\u308c\u305f\u6587\u5b57\u5217\u3092\u9006\u9806\u306b\u3059\u308b", 7),
        ("\u0e02\u0e2d\u0e42\u0e17\u0e29\u0e04\u0e23\u0e31\u0e1a\u0e44\u0e21\u0e48\u0e40\u0e02\u0e49\u0e32\u0e43\u0e08", 4),
    ],
)  # fmt: skip
def test_scripts_without_spaces_have_words(text: str, count: int) -> None:
    assert len(normal.words(text)) >= count


def test_a_russian_word_stays_russian() -> None:
    assert normal.words("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440") == [
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u043c\u0438\u0440",
    ]


def test_near_duplicates_are_found_in_every_script(tmp_path: Path) -> None:
    """One sentence of twenty differs; rows of Chinese and Thai have enough words to be compared."""
    chinese = [
        f"\u7b2c{n}\u6b65\uff0c\u8bf7\u68c0\u67e5\u8f93\u5165\u7684\u6570\u636e\u3002"
        for n in range(40)
    ]
    thai = [
        f"\u0e02\u0e49\u0e2d {n} \u0e01\u0e23\u0e38\u0e13\u0e32\u0e15\u0e23\u0e27\u0e08\u0e2a\u0e2d\u0e1a"
        for n in range(40)
    ]
    rows = []
    for name, parts in (("zh", chinese), ("th", thai)):
        text = "".join(parts)
        other = "".join(parts[:-1]) + "\u5b8c\u4e86"
        rows += [
            _candidate(f"{name}?", text, f"{name}1", category="tool_use"),
            _candidate(f"{name}?", other, f"{name}2", category="tool_use"),
            _candidate(f"{name}?", "\u200b".join(parts), f"{name}3", category="tool_use"),
        ]
    made = _built(tmp_path, rows)
    assert made["left"] == {
        "zh2": ("near", "zh1"),
        "zh3": ("normalised", "zh1"),
        "th2": ("near", "th1"),
        "th3": ("normalised", "th1"),
    }


def test_rows_in_ascii_import_no_dictionary() -> None:
    code = (
        "import sys\nfrom sentinel_pipeline.mix.normal import code_tokens, words\n"
        "words('Sum it'); code_tokens('x = 1')\n"
        "assert not {'icu4py', 'confusable_homoglyphs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
