"""Whatever a person names or types, the command ends with a known exit code and never with a
traceback."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel_pipeline.cli import console
from sentinel_pipeline.store import Home
from sentinel_pipeline_tests.cli.conftest import Run

ROW = (
    '{"id": "1", "task_id": "1", "prompt": "Write f", "response": "def f(): pass", "judge": "good"}'
)
FILES: dict[str, bytes] = {
    "empty": b"",
    "binary": bytes(range(256)),
    "nul": b"\0" * 100,
    "lone surrogates": b'{"id": "\\ud800", "task_id": "\\ud800", "prompt": "\\ud800", "response": "\\udfff", "judge": "\\ud800"}\n',
    "raw surrogates": b'{"id": "\xed\xa0\x80", "prompt": "a", "response": "b"}\n',
    "huge integers": f'{{"id": {10**30}, "prompt": {"9" * 5000}, "response": "b"}}\n'.encode(),
    "nan": b'{"id": NaN, "prompt": NaN, "response": Infinity, "completion": -Infinity}\n',
    "byte order mark": b"\xef\xbb\xbf" + ROW.encode(),
    "utf-16": ROW.encode("utf-16"),
    "crlf": ROW.encode() + b"\r\n",
    "deep": b"[" * 100_000,
    "scalars": b'3\nnull\n"x"\n[]\n{}\n',
    "other types": b'{"id": [], "prompt": {}, "response": [1], "task_id": {"a": 1}, "messages": [3, null]}\n',
}  # fmt: skip
SPECIAL: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: None,
    "folder": Path.mkdir,
    "fifo": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
    "dangling": lambda path: path.symlink_to(path.with_name("nowhere")),
}
VERBS: dict[str, tuple[object, ...]] = {
    "label": ("label", "FILE", "--out", "OUT"),
    "extract": ("extract", "FILE"),
    "extract --compare": ("extract", "OK", "--compare", "FILE"),
    "grade": ("grade", "FILE", "--problems", "OK"),
    "grade --problems": ("grade", "OK", "--problems", "FILE"),
    "judge licence": ("judge", "licence", "FILE", "--model", "m", "--base-url", "http://127.0.0.1:9"),
    "review import": ("review", "import", "FILE"),
    "review blind add": ("review", "blind", "add", "FILE", "--name", "batch"),
    "review restore": ("review", "restore", "FILE"),
    "bench --data": ("bench", "m", "--suite", "mine", "--data", "FILE", "--base-url", "http://127.0.0.1:9/v1", "--dry-run"),
}  # fmt: skip
KNOWN_CODES = {0, 2, 3, 4}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", [*FILES, *SPECIAL])
def test_a_malformed_file_ends_a_verb_with_a_known_code(
    verb: str, name: str, home: Home, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "odd.jsonl"
    if name in SPECIAL:
        SPECIAL[name](path)
    else:
        path.write_bytes(FILES[name])
    good = tmp_path / "ok.jsonl"
    good.write_text(ROW + "\n", encoding="utf-8")
    places = {"FILE": path, "OK": good, "OUT": tmp_path / "out"}
    code, _, err = run(*(places.get(str(word), word) for word in VERBS[verb]))
    assert code in KNOWN_CODES
    assert code != 2 or len(err.strip()) > 10


@pytest.mark.parametrize("odd", ["", "\udcff", "../tiny", "x" * 300, "tiny/zzz"])
@pytest.mark.parametrize(
    "words",
    [
        ("plan", "ODD"),
        ("run", "ODD"),
        ("run", "tiny", "--until", "ODD"),
        ("next", "ODD"),
        ("release", "ODD"),
        ("compare", "ODD", "tiny/base"),
        ("parity", "ODD"),
        ("audit", "ODD"),
        ("trace", "ODD"),
        ("gate", "explain", "ODD", "tiny"),
        ("gate", "sign-off", "ODD", "tiny", "--approve"),
        ("review", "lineage", "ODD"),
        ("review", "user", "remove", "ODD"),
        ("review", "blind", "show", "ODD"),
        ("alert", "test", "--channel", "ODD"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_an_odd_name_is_bad_input(words: tuple[str, ...], odd: str, home: Home, run: Run) -> None:
    code, _, err = run(*(odd if word == "ODD" else word for word in words))
    assert code in {2, 4} and err.strip()


def test_an_argument_that_is_no_text_is_named_by_its_place(home: Home, run: Run) -> None:
    code, _, err = run("label", "ok.jsonl", "--out", "\udcff")
    assert code == 2 and "argument 4 is not text in UTF-8" in err


def test_json_with_a_lone_surrogate_is_written_with_escapes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.emit({"é": "\ud800"})
    assert json.loads(capsys.readouterr().out) == {"é": "\ud800"}


@pytest.mark.parametrize(
    "data", [b"[]\n", b"3\n", b"[" * 100_000, b"{}\n", b'{"format": []}\n', b"", b"\xff"]
)
def test_a_packed_file_that_is_no_backup_is_refused(
    data: bytes, home: Home, tmp_path: Path, run: Run
) -> None:
    path = tmp_path / "backup.jsonl.gz"
    path.write_bytes(gzip.compress(data))
    code, _, err = run("review", "restore", path)
    assert code == 2 and "not a whole backup" in err


def test_a_damaged_backup_is_refused(home: Home, tmp_path: Path, run: Run) -> None:
    path = tmp_path / "backup.jsonl.gz"
    packed = gzip.compress(os.urandom(5000).hex().encode())
    path.write_bytes(packed[:600] + b"damage" + packed[606:])
    code, _, err = run("review", "restore", path)
    assert code == 2 and "not a whole backup" in err
