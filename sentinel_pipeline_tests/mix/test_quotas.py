"""Quotas: shares and caps held, no row twice, same seed same rows, shortfalls said."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_pipeline.errors import BadInput
from sentinel_pipeline.gates.fences import SHARES as SHARES_FENCE
from sentinel_pipeline.gates.fences import decide_shares, fence_policy
from sentinel_pipeline.mix.build import LeftOut, build_mix
from sentinel_pipeline.mix.report import MixReport
from sentinel_pipeline.mix.survey import draw
from sentinel_pipeline.records import (
    QUALITIES,
    Candidate,
    JudgedAnswer,
    Message,
    RepairTrace,
    Row,
    TextAnswer,
)
from sentinel_pipeline.records.data_spec import SHARES, MixSpec
from sentinel_pipeline.records.recipe import Recipe
from sentinel_pipeline.store import write_parquet


def _candidate(category: str, number: int, source: str = "test", **rest: Any) -> Candidate:
    ask = (Message("user", f"{category} {number}"),)
    name = f"candidate-{category}-{number}"
    return Candidate(
        id=name, source=source, messages=ask, completion="a", category=category, **rest
    )


def _trace(category: str, number: int) -> RepairTrace:
    turns = (
        Message("user", f"{category} {number}"),
        Message("assistant", "b"),
        Message("user", "Mend it."),
    )
    name = f"repair-{category}-{number}"
    return RepairTrace(
        id=name,
        task_id=None,
        category=category,
        failed_id="f",
        accepted_id="x",
        reason="r",
        messages=turns,
        completion="a",
    )


def _candidates(counts: dict[str, int], source: str = "test") -> list[Candidate]:
    return [
        _candidate(name, number, source)
        for name, count in counts.items()
        for number in range(count)
    ]


class Made:
    def __init__(self, rows: list[Row], left_out: list[LeftOut], report: MixReport) -> None:
        self.rows, self.left_out, self.report = rows, left_out, report


def _mix(
    candidates: list[Candidate],
    traces: list[RepairTrace] | None = None,
    seed: int = 1,
    banned: set[str] | None = None,
    **spec: Any,
) -> Made:
    with tempfile.TemporaryDirectory() as name:
        accepted, repairs = Path(name) / "a.parquet", Path(name) / "r.parquet"
        write_parquet(accepted, (row.to_row() for row in candidates), "candidates")
        write_parquet(repairs, (trace.to_row() for trace in traces or []), "repairs")
        made = MixSpec(**({"minimum_quality": "unverified"} | spec))
        with build_mix(
            accepted, repairs, banned=banned or set(), spec=made, seed=seed, scratch=Path(name)
        ) as mix:
            found = Made(list(mix.rows), list(mix.left_out), mix.report)
            assert found.rows == list(mix.rows)
        assert sorted(path.name for path in Path(name).iterdir()) == ["a.parquet", "r.parquet"], (
            "scratch is left behind"
        )
    return found


COUNTS = st.fixed_dictionaries({name: st.integers(0, 40) for name in SHARES})


@settings(max_examples=40, deadline=None)
@given(
    COUNTS,
    st.integers(0, 150) | st.none(),
    st.integers(0, 5),
    st.integers(0, 3),
    st.integers(0, 60),
)
def test_shares_and_caps_hold_and_every_row_is_accounted_for_once(
    counts: dict[str, int], size: int | None, repairs: int, seed: int, cap: int
) -> None:
    rows = _candidates(counts) + [
        _candidate("devops", number, "capped") for number in range(100, 130)
    ]
    traces = [_trace(name, number) for name in SHARES for number in range(repairs)]
    caps: dict[str, Any] = {
        "source_caps": {"capped": 10},
        "category_caps": {"executable_code": cap},
    }
    mix = _mix(rows, traces, seed, size=size, repair_share=0.1, **caps)
    ids = [row.id for row in mix.rows]
    taken = Counter(row.category for row in mix.rows)
    assert len(ids) == len(set(ids)) and set(ids).isdisjoint(row.id for row in mix.left_out)
    assert len(ids) + len(mix.left_out) == mix.report.seen == len(rows) + len(traces)
    assert Counter(row.reason for row in mix.left_out) == mix.report.left_out
    assert (
        taken["executable_code"] <= cap
        and sum(row.id >= "candidate-devops-100" for row in mix.rows if "devops-1" in row.id) <= 22
    )
    assert mix.report.sources.get("capped", 0) <= 10
    for quota in mix.report.quotas:
        assert (
            quota.taken == quota.rows == taken[quota.category] == min(quota.wanted, quota.available)
        )
        assert quota.repairs <= 0.1 * quota.taken + 1e-9


@settings(max_examples=15, deadline=None)
@given(COUNTS, st.randoms(use_true_random=False))
def test_the_same_seed_takes_the_same_rows_in_any_order(counts: dict[str, int], order: Any) -> None:
    rows = _candidates(counts)
    shuffled = list(rows)
    order.shuffle(shuffled)
    first, second = (_mix(each, seed=7, size=50) for each in (rows, shuffled))
    assert {row.id for row in first.rows} == {row.id for row in second.rows}
    assert first.report == second.report


def test_shares_are_held_exactly_where_rows_allow() -> None:
    report = _mix(_candidates(dict.fromkeys(SHARES, 500)), size=1000).report
    assert [(quota.category, quota.taken, quota.short) for quota in report.quotas] == [
        ("executable_code", 450, 0),
        ("code_editing", 200, 0),
        ("tool_use", 150, 0),
        ("devops", 100, 0),
        ("general_chat", 100, 0),
    ]


def test_without_a_size_the_scarcest_category_decides() -> None:
    report = _mix(_candidates(dict.fromkeys(SHARES, 200) | {"devops": 30})).report
    assert (report.total, report.rows, report.shortfall) == (300, 300, 0)


def test_an_empty_category_is_reported_short_not_filled() -> None:
    report = _mix(_candidates(dict.fromkeys(SHARES, 100) | {"devops": 0})).report
    by_name = {quota.category: quota for quota in report.quotas}
    assert (by_name["devops"].wanted, by_name["devops"].taken, by_name["devops"].short) == (
        22,
        0,
        22,
    )
    assert by_name["executable_code"].taken == 100 and report.empty == ("devops",)
    assert "**No row at all** of devops." in report.to_markdown()
    assert (
        "**Short** by 22 rows: devops 22. Nothing was repeated to fill a gap."
        in report.to_markdown()
    )


def test_rows_without_a_share_are_counted_by_category_and_not_taken() -> None:
    mix = _mix([*_candidates({"executable_code": 5, "audio": 3})], shares={"executable_code": 1.0})
    assert mix.report.held_back == {"audio": 3} and mix.report.left_out == {"held_back": 3}
    assert mix.report.before == {"audio": 3.0, "executable_code": 5.0}
    assert {row.category for row in mix.rows} == {"executable_code"}


def test_a_heavier_source_is_drawn_in_proportion() -> None:
    rows = [_candidate("devops", n, "a") for n in range(1500)] + [
        _candidate("devops", n, "b") for n in range(1500, 3000)
    ]
    report = _mix(rows, shares={"devops": 1.0}, size=300, weights={"b": 3.0}).report
    assert 195 <= report.sources["b"] <= 250, "three times as likely: about 225 of 300"


def test_the_draw_is_exponential_with_its_weight_as_rate() -> None:
    mean = sum(draw(1, str(n), 4.0) for n in range(4000)) / 4000
    assert 0.235 < mean < 0.265


def test_rows_are_taken_by_the_evidence_that_is_asked() -> None:
    rows = [
        _candidate("devops", 1),
        _candidate("devops", 3, verifier=JudgedAnswer(rubric="Kind.")),
        _candidate("devops", 2, verifier=TextAnswer(accepted=("a",))),
        Candidate(
            id="p",
            source="t",
            messages=(Message("user", "q"),),
            completion="ls -la *.txt",
            category="devops",
        ),
    ]
    ids = {
        quality: {
            row.id for row in _mix(rows, shares={"devops": 1.0}, minimum_quality=quality).rows
        }
        for quality in QUALITIES
    }
    assert ids == {
        "unverified": {"candidate-devops-1", "candidate-devops-2", "candidate-devops-3", "p"},
        "parsed": {"candidate-devops-2", "p"},
        "verified": {"candidate-devops-2"},
    }


def test_unverified_rows_enter_a_mix_only_where_the_recipe_says_so() -> None:
    rows = [_candidate("devops", 1), _candidate("devops", 2, verifier=TextAnswer(accepted=("a",)))]
    traces = [replace(_trace("devops", n), quality=name) for n, name in enumerate(QUALITIES, 5)]
    spec: dict[str, Any] = {"shares": {"devops": 1.0}, "repair_share": 1.0}
    default = _mix(rows, traces, minimum_quality=MixSpec().minimum_quality, **spec)
    assert {row.id for row in default.rows} == {
        "candidate-devops-2",
        "repair-devops-6",
        "repair-devops-7",
    }
    assert {row.id: row.reason for row in default.left_out} == {
        "candidate-devops-1": "quality",
        "repair-devops-5": "quality",
    }
    assert default.report.qualities == {"parsed": 1, "verified": 2}
    said = default.report.to_markdown()
    assert "Evidence: 1 parsed, 2 verified; taken from `parsed` on." in said
    assert "2 rows have less evidence: `minimum_quality` decides." in said
    named = _mix(rows, traces, **spec)
    assert named.report.qualities == {"parsed": 1, "unverified": 2, "verified": 2}


def test_other_seeds_take_other_rows() -> None:
    rows = _candidates(dict.fromkeys(SHARES, 200))
    first, second = ({row.id for row in _mix(rows, seed=seed, size=200).rows} for seed in (1, 2))
    assert len(first & second) < 150


def test_tokens_fill_quotas_and_never_exceed_them() -> None:
    report = _mix(_candidates(dict.fromkeys(SHARES, 200)), size=600, unit="tokens").report
    assert report.unit == "tokens"
    assert all(quota.wanted - 4 < quota.taken <= quota.wanted for quota in report.quotas)
    assert all(quota.taken > quota.rows for quota in report.quotas)


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"shares": {"a": 0.5}}, "mix.shares"),
        ({"shares": {"a": 1.5, "b": -0.5}}, "mix.shares.b"),
        ({"shares": {}}, "mix.shares"),
        ({"shares": {"a": float("nan")}}, "mix.shares.a"),
        ({"size": -1}, "mix.size"),
        ({"repair_share": 1.5}, "mix.repair_share"),
        ({"near_duplicates": 0.2}, "mix.near_duplicates"),
        ({"weights": {"x": 0.0}}, "mix.weights.x"),
        ({"source_caps": {"x": -1}}, "mix.source_caps.x"),
        ({"category_caps": {"devop": 1}}, "mix.category_caps.devop"),
        ({"memory_mib": 1}, "mix.memory_mib"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_field(spec: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as error:
        _mix([], **spec)
    assert error.value.field == field


def test_no_rows_give_an_empty_mix_and_a_report() -> None:
    mix = _mix([], size=10)
    assert mix.rows == [] == mix.left_out and mix.report.shortfall == 10 and mix.report.seen == 0
    assert "| devops | 10.0 % | 1 | 0 | 0 | 1 |" in mix.report.to_markdown()
    assert mix.report.to_plot().startswith(
        "![The mix, before and after (rows)](data:image/svg+xml;base64,"
    )


def _sized(category: str, number: int, words: int) -> Candidate:
    row = _candidate(category, number)
    return replace(row, completion=" ".join(f"{category}{number}w{at}" for at in range(words)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10), st.integers(200, 2000))
def test_a_large_row_does_not_end_its_category(seed: int, quota: int) -> None:
    """Three hundred small rows and five that are larger than the quota: the small ones fill it."""
    small = [_sized("general_chat", number, 12) for number in range(300)]
    large = [_sized("general_chat", 1000 + number, 3000) for number in range(5)]
    rows = [*small, *large]
    mix = _mix(rows, seed=seed, unit="tokens", size=quota, shares={"general_chat": 1.0})
    [chat] = mix.report.quotas
    assert chat.short <= 20, "less than one small row is missing"
    assert chat.taken <= quota
    assert {row.id for row in mix.rows} <= {row.id for row in small}
    assert len(mix.rows) + len(mix.left_out) == len(rows)


def test_a_large_row_does_not_end_its_source() -> None:
    rows = [_sized("general_chat", number, 12) for number in range(100)]
    rows.append(_sized("general_chat", 1000, 3000))
    caps: dict[str, Any] = {"source_caps": {"test": 500}}
    for seed in range(5):
        mix = _mix(rows, seed=seed, unit="tokens", shares={"general_chat": 1.0}, **caps)
        assert 470 <= mix.report.quotas[0].taken <= 500
        assert mix.report.left_out["source_cap"] + len(mix.rows) == len(rows)


def test_one_row_of_a_category_does_not_shrink_the_mix_in_silence() -> None:
    rows = _candidates({"executable_code": 4000, "general_chat": 1})
    shares = {"executable_code": 0.9, "general_chat": 0.1}
    mix = _mix(rows, shares=shares)
    assert (len(mix.rows), mix.report.limited_by, mix.report.usable) == (10, "general_chat", 4001)
    assert "general_chat has the least for its share" in mix.report.to_markdown()
    decided = decide_shares(fence_policy(Recipe(name="r"), SHARES_FENCE), mix.report.to_json())
    assert decided.verdict == "fail"
    assert (
        "holds the mix to 10 of 4001 usable rows (0.2 %, at least 5 % expected)" in decided.reason
    )
    sized = _mix(rows, shares=shares, size=100).report
    assert sized.limited_by is None
    decided = decide_shares(fence_policy(Recipe(name="r"), SHARES_FENCE), sized.to_json())
    assert (decided.verdict, decided.reason[:27]) == ("fail", "short of general_chat 9 row")
    balanced = _mix(_candidates({"executable_code": 400, "general_chat": 40}), shares=shares)
    decided = decide_shares(fence_policy(Recipe(name="r"), SHARES_FENCE), balanced.report.to_json())
    assert decided.verdict == "pass", decided.reason
