"""Diffs are read and applied as the installed git reads and applies them."""

from __future__ import annotations

import difflib
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sentinel_pipeline.candidates.shapes import to_candidate
from sentinel_pipeline.critic.diffs import apply_diff, parse_diff
from sentinel_pipeline.critic.extract import extract
from sentinel_pipeline.critic.labels import label
from sentinel_pipeline_tests.critic.made_diffs import KINDS, git_applied, made_diff, outcome
from sentinel_pipeline_tests.tools import missing_tool

LINES = st.lists(
    st.sampled_from(["a", "b", "", " x", "-- y", "++ z", "\t", "é", "x\x0cy", "u\u2028v", "\\ n"]),
    max_size=14,
)
GIT_HEAD = "diff --git a/f b/f\n"
CHANGE = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n-a\n+b\n z\n"
FILES = {"f": "a\nz\n", "g": "x\n"}


def _text(lines: list[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _diff(old: str, new: str) -> str:
    pieces = difflib.unified_diff(_split(old), _split(new), "a/f", "b/f")
    return "".join(
        line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
        for line in pieces
    )


def _split(text: str) -> list[str]:
    return [line + "\n" for line in text.split("\n")[:-1]] + (
        [last] if (last := text.split("\n")[-1]) else []
    )


@settings(max_examples=200)
@given(LINES, LINES, st.booleans(), st.booleans())
def test_a_diff_of_any_two_texts_applies_exactly(
    old: list[str], new: list[str], cut_old: bool, cut_new: bool
) -> None:
    before, after = _text(old)[: -1 if cut_old else None], _text(new)[: -1 if cut_new else None]
    assume(before != after)
    assert apply_diff(_diff(before, after), {"f": before, "g": "other"}) == {
        "f": after,
        "g": "other",
    }


@settings(max_examples=40)
@given(st.lists(st.sampled_from("abcdefghi"), min_size=3, max_size=8, unique=True), st.data())
def test_a_hunk_from_line_1_does_not_apply_further_down(
    old: list[str], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(old) - 1))
    diff = _diff(_text(old), _text([*old[:at], "new", *old[at:]]))
    shifted = _text(["first", *old])
    assume(diff.split("\n")[2].startswith("@@ -1,"))
    assert str(apply_diff(diff, {"f": shifted})).startswith(
        "hunk_mismatch: hunk 1 does not match at line 1"
    )


def test_made_diffs_have_the_outcome_that_git_gives_them(tmp_path: Path) -> None:
    """Five of each kind; ``benchmarks/diffs.py`` looks at a thousand and more."""
    if shutil.which("git") is None:
        missing_tool("git")
    outcomes: Counter[str] = Counter()
    other = []
    for number in range(5 * len(KINDS)):
        case = made_diff(number, tmp_path / "made")
        git = git_applied(case, tmp_path / "git")
        ours = apply_diff(case.diff, case.files)
        outcomes[outcome(ours, git)] += 1
        if outcome(ours, git) == "other":
            other.append((number, case.kind, ours, git))
    assert other == []
    assert outcomes["same files"] >= 2 * len(KINDS) and outcomes["both refuse"] >= len(KINDS) // 2


@pytest.mark.parametrize(
    ("diff", "reason"),
    [
        (
            "--- a/f\n+++ b/f\n@@ -1,1 +1,2 @@\n-a\n+b\n",
            "bad_diff: the hunk ends at line 6, shorter",
        ),
        (
            "--- a/f\n+++ b/f\n@@ -1,1 +1,1 @@\n-a\n+b\n+c\n",
            "bad_diff: line 6 stands outside every hunk",
        ),
        (
            "--- a/f\n+++ b/f\n@@ -1,2 +1,1 @@\n a\n z\n",
            "bad_diff: the hunk before line 6 is longer than it says",
        ),
        (
            "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n a\n z\n",
            "bad_diff: the hunk before line 6 changes nothing",
        ),
        ("--- a/h\n+++ b/h\n@@ -1,1 +1,1 @@\n-a\n+b\n", "unknown_file: h"),
        ("--- /dev/null\n+++ b/g\n@@ -0,0 +1,1 @@\n+b\n", "file_exists: g"),
        (
            "--- a/f\n+++ b/f\n@@ -9,1 +9,1 @@\n-y\n+b\n",
            "hunk_mismatch: hunk 1 does not match at line 9",
        ),
        (CHANGE + "@@ -1,2 +1,2 @@\n-a\n+b\n z\n", "hunk_mismatch: hunk 2"),
        ("no diff here", "no_diff"),
        ("--- a/f\n+++ b/f\n-a\n+b\n", "bad_diff: no hunk after the file header at line 1"),
        (
            GIT_HEAD + "index 1..2 100644\n--- a/f\n+++ b/f\n-a\n+b\n",
            "bad_diff: a file without hunks",
        ),
        ("@@ -1 +1 @@\n-a\n+b\n", "bad_diff: the hunk at line 1 has no file header"),
        (
            "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n",
            "hunk_mismatch: hunk 1 does not match at line 1",
        ),
        (GIT_HEAD + "deleted file mode 100644\n", "hunk_mismatch: f is deleted but lines are left"),
        (
            GIT_HEAD + "index 1..2\nBinary files a/f and b/f differ\n",
            "binary_patch: f is changed as a binary file",
        ),
        (GIT_HEAD + "index 1..2\nGIT binary patch\nliteral 1\nIcmZPo\n", "binary_patch: f"),
        (
            "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+f\n",
            "file_mode: l",
        ),
        ("--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+f\n", "bad_path: ../x"),
        ("--- /dev/null\n+++ b/.git/config\n@@ -0,0 +1 @@\n+f\n", "bad_path: .git/config"),
        (
            "--- /dev/null\n+++ b/f/x\n@@ -0,0 +1 @@\n+f\n",
            "file_exists: f/x is both a file and a folder",
        ),
        ("--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\0\n+b\n", "bad_diff: a NUL character"),
    ],
)
def test_a_refused_diff_has_its_reason(diff: str, reason: str) -> None:
    problem = apply_diff(diff, FILES)
    assert isinstance(problem, str) and problem.startswith(reason)


@pytest.mark.parametrize(
    ("diff", "after"),
    [
        pytest.param(
            "diff --git a/f b/h\nsimilarity index 100%\nrename from f\nrename to h\n",
            {"h": "a\nz\n", "g": "x\n"},
            id="renamed",
        ),
        pytest.param(
            "diff --git a/f b/h\ncopy from f\ncopy to h\n", {**FILES, "h": "a\nz\n"}, id="copied"
        ),
        pytest.param(
            "diff --git a/e b/e\nnew file mode 100644\nindex 0000000..e69de29\n",
            {**FILES, "e": ""},
            id="empty file created",
        ),
        pytest.param(GIT_HEAD + "old mode 100644\nnew mode 100755\n", FILES, id="mode changed"),
        pytest.param(
            GIT_HEAD
            + "deleted file mode 100644\n--- a/f\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-z\n",
            {"g": "x\n"},
            id="deleted",
        ),
        pytest.param(
            CHANGE.replace("a/f", "f").replace("b/f", "f"),
            {"f": "b\nz\n", "g": "x\n"},
            id="no prefix",
        ),
        pytest.param(
            '--- "a/caf\\303\\251"\n+++ "b/caf\\303\\251"\n@@ -0,0 +1 @@\n+x\n',
            {**FILES, "café": "x\n"},
            id="quoted name",
        ),
        pytest.param(
            CHANGE.removesuffix("\n"), {"f": "b\nz\n", "g": "x\n"}, id="last line end missing"
        ),
        pytest.param(
            "--- a/g\t2024-01-01 10:00:00.5 +0000\n+++ b/g\t1970-01-01 00:00:00.0 +0000\n@@ -1 +0,0 @@\n-x\n",
            {"f": "a\nz\n"},
            id="epoch is no file",
        ),
        pytest.param(
            "--- a/f\n+++ b/f\n@@ -2,0 +3 @@\n+end\n@@ -0,0 +1 @@\n+top\n",
            {**FILES, "f": "top\na\nz\nend\n"},
            id="no context",
        ),
    ],
)
def test_gits_forms_apply(diff: str, after: dict[str, str]) -> None:
    assert apply_diff(diff, FILES) == after


def test_a_hunk_moves_to_the_nearest_place_where_its_context_stands() -> None:
    block = "1\n2\n3\n"
    diff = "--- a/f\n+++ b/f\n@@ -{0},3 +{0},3 @@\n 1\n-2\n+two\n 3\n"
    files = {"f": block * 5}
    for line, place in ((2, 0), (4, 1), (6, 2), (8, 2), (9, 3)):
        after = apply_diff(diff.format(line), files)
        assert after == {"f": block * place + "1\ntwo\n3\n" + block * (4 - place)}, line


def test_files_of_people_that_hold_the_folder_a_are_found_without_a_prefix() -> None:
    diff = "--- a/m.py\n+++ a/m.py\n@@ -1 +1 @@\n-x\n+y\n"
    assert apply_diff(diff, {"a/m.py": "x\n"}) == {"a/m.py": "y\n"}
    assert apply_diff(diff, {"m.py": "x\n", "a/m.py": "x\n"}) == {"m.py": "y\n", "a/m.py": "x\n"}


@settings(max_examples=300)
@given(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                *CHANGE.splitlines(True),
                GIT_HEAD,
                "rename from f\n",
                "rename to g\n",
                "new file mode 1\n",
                '"',
                "\\ No newline at end of file\n",
                "@@ -9,9 +9,9 @@\n",
                "\ud800",
                "\n",
            ]
        )
    ),
)
def test_no_text_breaks_the_reader(noise: str, lines: list[str]) -> None:
    text = "".join(lines) + noise
    assert isinstance(parse_diff(text), str | list)
    assert isinstance(apply_diff(text, FILES), str | dict)


def test_a_diffs_author_does_not_choose_how_long_it_takes() -> None:
    hunks = "".join(f"@@ -{9 * at},3 +1,3 @@\n a\n-a\n+c\n a\n" for at in range(1, 12_000))
    assert str(apply_diff("--- a/f\n+++ b/f\n" + hunks, {"f": "a\n" * 100_000})) == (
        "too_large: the place of a hunk takes too long to find"
    )
    assert str(apply_diff("diff --git " + "a b " * 200_000, FILES)).startswith("bad_diff")


# -- among other text ------------------------------------------------------------------------------

OTHER = "--- a/g\n+++ b/g\n@@ -1 +1 @@\n-x\n+y\n"
BOTH = {"f": "b\nz\n", "g": "y\n"}


@pytest.mark.parametrize(
    ("answer", "leniencies"),
    [
        (CHANGE + OTHER, ()),
        (f"First:\n{CHANGE}\nand then:\n{OTHER}", ("prose_around",)),
        (
            f"```diff\n{CHANGE}```\nand\n```diff\n{OTHER}```\n",
            ("fenced", "several_blocks", "prose_around_fence"),
        ),
        (
            f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nSubject: [PATCH 1/2] f\n\n---\n f | 2 +-\n\n{CHANGE}-- \n2.39.0\n\n"
            f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nSubject: [PATCH 2/2] g\n\n---\n g | 2 +-\n\n{OTHER}-- \n2.39.0\n",
            (),
        ),
        (f"diff -ru old/f new/f\n{CHANGE}diff -ru old/g new/g\n{OTHER}", ()),
        (f"Index: f\n{'=' * 67}\n{CHANGE}Index: g\n{'=' * 67}\n{OTHER}", ()),
    ],
)
def test_all_diffs_of_an_answer_that_change_other_files_are_taken(
    answer: str, leniencies: tuple[str, ...]
) -> None:
    taken = extract(answer, "diff")
    assert apply_diff(str(taken.value), FILES) == BOTH
    assert taken.leniencies == leniencies


def test_a_second_diff_of_the_same_file_is_another_answer() -> None:
    taken = extract(f"{CHANGE}\nNo, wait:\n{CHANGE.replace('+b', '+c')}", "diff")
    assert (taken.value, taken.leniencies) == (CHANGE, ("prose_around",))


# -- cases with their right outcome ----------------------------------------------------------------


def test_rows_with_diffs_have_the_labels_that_are_right(cases_dir: Path) -> None:
    lines = (cases_dir / "label.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["id"][0] == "D"]
    rows = [
        to_candidate(json.loads(case["row"]), source="file:x", file="x", line=number)
        for number, case in enumerate(cases, start=1)
    ]
    wrong = [
        (case["id"], name, getattr(labels, name))
        for case, labels in zip(cases, label(rows), strict=True)
        for name, expected in case["expect"].items()
        if expected != "any" and getattr(labels, name).value is not expected
    ]
    assert len(cases) >= 3 and wrong == []
