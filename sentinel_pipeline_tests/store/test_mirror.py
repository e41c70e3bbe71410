"""The mirror: what is whole travels, what is damaged does not, and nothing appears before every
byte was checked."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fsspec.core import url_to_fs
from typer.testing import CliRunner

from sentinel_pipeline.cli import app
from sentinel_pipeline.errors import BadInput, Infrastructure
from sentinel_pipeline.store import Home, Ledger, Store
from sentinel_pipeline.store.mirror import Mirror
from sentinel_pipeline.store.verify import Damage, damage_of, finished
from sentinel_pipeline_tests.store.test_ledger import VERDICT
from sentinel_pipeline_tests.store.test_verify import flip, make


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "here")


@pytest.fixture(params=["file", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder, and a store without folders."""
    if request.param == "file":
        yield f"file://{tmp_path / 'there'}"
        return
    import fsspec

    yield "memory://there"
    fsspec.filesystem("memory").rm("/there", recursive=True)


def elsewhere(home: Home) -> Home:
    return Home(home.root.parent / "elsewhere")


def test_what_is_pushed_is_fetched_as_it_was_and_only_once(home: Home, url: str) -> None:
    make(home, "1"), make(home, "2")
    Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id="1")
    pushed = Mirror(url).push(home)
    assert pushed.artifacts == ["tiny/mix/1", "tiny/mix/2"] and pushed.ledger
    assert Mirror(url).push(home) == ([], [], None)
    other = elsewhere(home)
    assert Mirror(url).fetch(other, "another", trust=True).artifacts == []
    shutil.rmtree(other.root)
    fetched = Mirror(url).fetch(other, "tiny", trust=True)
    assert fetched.artifacts == ["tiny/mix/1", "tiny/mix/2"] and fetched.ledger == pushed.ledger
    assert (
        Store(other, "tiny", "-", "-").get("mix").manifest
        == Store(home, "tiny", "-", "-").get("mix").manifest
    )
    assert not [one for folder in finished(other) for one in damage_of(other, folder)]
    assert Ledger(other.ledger).verdicts() == [VERDICT]
    assert Mirror(url).damage() == (2, [])
    assert not list(other.runs.rglob(".fetch-*"))


def test_a_damaged_artifact_is_not_copied(home: Home, url: str) -> None:
    flip(make(home, "1").folder / "a.json")
    make(home, "2")
    assert Mirror(url).push(home)[:2] == (["tiny/mix/2"], [Damage("tiny/mix/1", "a.json")])
    assert Mirror(url).damage() == (1, [])


def test_what_was_damaged_there_is_named_and_does_not_come_back(home: Home, url: str) -> None:
    make(home, "1"), make(home, "2")
    mirror = Mirror(url)
    mirror.push(home)
    store, root = url_to_fs(url)
    at = f"{root}/runs/tiny/mix/1/b.json"
    store.pipe_file(at, store.cat_file(at)[:-1] + b"x")
    assert mirror.damage() == (2, [Damage("tiny/mix/1", "b.json")])
    other = elsewhere(home)
    assert mirror.fetch(other, trust=True)[:2] == (["tiny/mix/2"], [Damage("tiny/mix/1", "b.json")])
    assert not (other.runs / "tiny/mix/1").exists()
    store.rm(at)
    assert mirror.fetch(other, trust=True)[:2] == ([], [Damage("tiny/mix/1", "b.json")])
    store.pipe_file(f"{root}/runs/tiny/mix/1/manifest.json", b"{")
    assert mirror.push(home).artifacts == ["tiny/mix/1"], (
        "a torn manifest is no copy: it is copied again"
    )
    assert mirror.damage() == (2, [])


def test_a_push_that_was_killed_left_nothing_that_counts(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(home, "1")
    mirror = Mirror(url)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(url_to_fs(url)[0], "pipe_file", killed)
        with pytest.raises(KeyboardInterrupt):
            mirror.push(home)
    assert mirror.fetch(elsewhere(home), trust=True).artifacts == []
    assert mirror.push(home).artifacts == ["tiny/mix/1"]


@pytest.mark.parametrize("path", ["../../../../out", "/etc/passwd", "manifest.json", ""])
def test_a_manifest_that_names_a_path_outside_is_damaged(home: Home, url: str, path: str) -> None:
    from sentinel_pipeline.store.manifest import Manifest, content_hash

    folder, mirror = make(home, "1").folder, Mirror(url)
    mirror.push(home)
    data = json.loads((folder / "manifest.json").read_text())
    data["files"][0]["path"] = path
    data["content_hash"] = content_hash(Manifest.from_json(data).files)
    store, root = url_to_fs(url)
    store.pipe_file(f"{root}/runs/tiny/mix/1/manifest.json", json.dumps(data).encode())
    other = elsewhere(home)
    assert mirror.fetch(other, trust=True)[:2] == ([], [Damage("tiny/mix/1", "manifest.json")])
    assert not list(other.root.rglob("*")) if other.root.exists() else True


def test_a_ledger_that_is_here_stays_and_a_damaged_snapshot_is_refused(
    home: Home, url: str
) -> None:
    ledger, mirror = Ledger(home.ledger), Mirror(url)
    ledger.record(VERDICT, recipe="tiny", run_id="1")
    name = mirror.push(home).ledger
    ledger.record(VERDICT, recipe="tiny", run_id="2")
    assert mirror.fetch(home, trust=True).ledger is None and len(ledger.verdicts()) == 2
    store, root = url_to_fs(url)
    store.pipe_file(f"{root}/ledger/{name}", b"not it")
    assert mirror.damage() == (0, [Damage("ledger", str(name))])
    with pytest.raises(Infrastructure, match="is damaged"):
        mirror.fetch(elsewhere(home), trust=True)
    assert not elsewhere(home).ledger.exists()


def test_the_command_pushes_verifies_and_fetches(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_HOME", str(home.root))
    folder = make(home, "1").folder
    assert CliRunner().invoke(app, ["verify", "--mirror"]).exit_code != 0
    monkeypatch.setenv("SENTINEL_MIRROR", f"file://{tmp_path / 'there'}")
    done = CliRunner().invoke(app, ["mirror", "push", "--json"])
    assert json.loads(done.stdout) == {"artifacts": ["tiny/mix/1"], "damaged": [], "ledger": None}
    flip(tmp_path / "there/runs/tiny/mix/1/a.json")
    done = CliRunner().invoke(app, ["verify", "--mirror", "--json"])
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["damaged"] == [] and said["mirror"]["damaged"] == [
        {"artifact": "tiny/mix/1", "file": "a.json"}
    ]
    shutil.rmtree(folder)
    assert CliRunner().invoke(app, ["mirror", "fetch", "--trust"]).exit_code == 1


def test_an_unknown_address_is_bad_input_and_a_silent_store_infrastructure(
    home: Home, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="Name an fsspec URL"):
        Mirror("nonsense://x")
    make(home, "1")
    (tmp_path / "file").write_text("")
    with pytest.raises(Infrastructure, match="run again"):
        Mirror(f"file://{tmp_path / 'file' / 'there'}").push(home)


KEY = "k" * 32


def signed_mirror(url: str, monkeypatch: pytest.MonkeyPatch, key: str = KEY) -> Mirror:
    monkeypatch.setenv("SENTINEL_MIRROR_KEY", key)
    return Mirror(url)


def test_a_mirror_is_believed_with_a_signature_or_on_a_word_and_else_not(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(home, "1")
    Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id="1")
    name = Mirror(url).push(home).ledger
    other = elsewhere(home)
    with pytest.raises(BadInput, match="nothing says who filled this mirror.*--trust"):
        Mirror(url).fetch(other)
    mirror = signed_mirror(url, monkeypatch)
    unsigned = [Damage("tiny/mix/1", "manifest.json.sig"), Damage("ledger", f"{name}.sig")]
    assert mirror.fetch(other) == ([], unsigned, None)
    assert not other.root.exists()
    assert mirror.push(home) == ([], [], None), "a later push signs what was pushed without a key"
    with monkeypatch.context() as patch:
        stranger = signed_mirror(url, patch, "s" * 32)
        assert stranger.fetch(other) == ([], unsigned, None)
    assert signed_mirror(url, monkeypatch).fetch(other) == (["tiny/mix/1"], [], name)
    assert Ledger(other.ledger).verdicts() == [VERDICT]


def test_a_signature_holds_for_one_name_and_one_content(
    home: Home, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(home, "1"), make(home, "2")
    mirror = signed_mirror(url, monkeypatch)
    mirror.push(home)
    store, root = url_to_fs(url)
    store.makedirs(f"{root}/runs/tiny/mix/3")
    for file in ("manifest.json", "manifest.json.sig"):
        data = store.cat_file(f"{root}/runs/tiny/mix/1/{file}")
        store.pipe_file(f"{root}/runs/tiny/mix/3/{file}", data.replace(b'"1"', b'"3"'))
    data = store.cat_file(f"{root}/runs/tiny/mix/2/manifest.json")
    store.pipe_file(f"{root}/runs/tiny/mix/2/manifest.json", data + b" ")
    done = mirror.fetch(elsewhere(home))
    assert done.artifacts == ["tiny/mix/1"]
    assert {damage.artifact for damage in done.damaged} == {"tiny/mix/2", "tiny/mix/3"}


def test_a_key_that_can_be_guessed_is_bad_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="has 5 characters, at least 32"):
        signed_mirror("memory://there", monkeypatch, "short")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"created_at": 5}, "created_at"),
        ({"metrics": []}, "metrics"),
        ({"parents": {}}, "parents"),
        ({"files": [{"path": 1, "sha256": "x", "bytes": 1, "rows": None}]}, "files"),
        ({"files": [{"path": "a", "sha256": "x", "bytes": "1", "rows": None}]}, "bytes"),
        ({"seed": "1"}, "seed"),
        ({"more": 1}, "unknown field 'more'"),
    ],
)
def test_a_manifest_with_wrong_types_is_bad_input_before_anything_is_written(
    home: Home, url: str, change: dict[str, Any], says: str
) -> None:
    make(home, "1"), make(home, "2")
    mirror = Mirror(url)
    mirror.push(home)
    store, root = url_to_fs(url)
    at = f"{root}/runs/tiny/mix/2/manifest.json"
    store.pipe_file(at, json.dumps(json.loads(store.cat_file(at)) | change).encode())
    other = elsewhere(home)
    with pytest.raises(BadInput, match=f"mix/2/manifest.json: not a manifest: .*{says}"):
        mirror.fetch(other, trust=True)
    assert not other.root.exists()
    assert Damage("tiny/mix/2", "manifest.json") in mirror.damage()[1]


def test_a_ledger_whose_chain_is_broken_is_not_brought_back_on_any_word(
    home: Home, url: str
) -> None:
    for run in "12":
        Ledger(home.ledger).record(VERDICT, recipe="tiny", run_id=run)
    with closing(sqlite3.connect(home.ledger, isolation_level=None)) as connection:
        connection.execute("update verdicts set n = 7 where id = 1")
    Mirror(url).push(home)
    other = elsewhere(home)
    with pytest.raises(Infrastructure, match="verdict 1: it was changed since"):
        Mirror(url).fetch(other, trust=True)
    assert not other.ledger.exists()
