"""The gap proof: one cell that closes the gap refuses training, and says which."""

from __future__ import annotations

from dataclasses import replace

from sentinel_pipeline.gates import Paired
from sentinel_pipeline.gates.gap import Gap, Rate, prove
from sentinel_pipeline.records.gap_spec import GapProof, PeerModel

SPEC = GapProof(instruct=PeerModel(), alternative=PeerModel())
N = 200


def proof(spec: GapProof = SPEC, instruct: int = 180, infra: int = 0, **passed: int) -> Gap:
    """``base_cue=150``: so many of 200 pass there; 10 elsewhere. Wins of the base are among those
    of the instruct model."""
    rates = [Rate("instruct", "chat", instruct, N, infra)]
    pairs: dict[tuple[str, str], Paired] = {}
    for model in ("base", "alternative"):
        for one in spec.formats:
            k = passed.get(f"{model}_{one}", 10)
            rates.append(Rate(model, one, k, N, 0))
            both = min(k, instruct)
            pairs[model, one] = Paired(both, instruct - both, k - both, N - max(k, instruct))
    return prove(spec, rates, pairs)


def test_a_gap_in_every_cell_passes() -> None:
    found = proof()
    assert (found.verdict, found.closed_by, len(found.cells)) == ("pass", [], 6)
    assert "instruct in chat 90.0 %" in found.reason
    assert all(cell.p < 0.01 and cell.h > 0.5 for cell in found.cells)


def test_the_cue_of_the_stage_1_findings_closes_it_and_is_named() -> None:
    found = proof(base_cue=200)
    assert (found.verdict, found.closed_by) == ("fail", ["base in cue"])
    assert "there is no gap: closed by base in cue; base in cue: 100.0 %" in found.reason


def test_an_alternative_base_that_can_do_it_closes_it_too() -> None:
    assert proof(alternative_raw=150).closed_by == ["alternative in raw"]


def test_an_instruct_model_that_cannot_do_it_proves_nothing_to_learn() -> None:
    found = proof(instruct=100)
    assert found.verdict == "fail" and "not even an instruct model does the task" in found.reason


def test_in_between_is_inconclusive_and_the_point_estimate_decides_where_asked() -> None:
    assert proof(base_raw=55).verdict == "inconclusive"
    assert proof(instruct=165).verdict == "inconclusive"
    assert "needs about 784 more items" in proof(instruct=165).reason
    assert proof(replace(SPEC, decide_on="point"), instruct=165, base_raw=55).verdict == "pass"


def test_a_small_distance_is_no_gap() -> None:
    loose = replace(SPEC, max_base_rate=0.9, min_instruct_rate=0.5, decide_on="point")
    found = proof(loose, instruct=130, base_chat=115)
    assert found.verdict == "fail" and "no clear distance to the instruct model" in found.reason


def test_no_evidence_or_too_much_infrastructure_is_no_proof() -> None:
    assert "void: 4.8 % infrastructure" in proof(infra=10).reason
    empty = prove(SPEC, [], {})
    assert empty.verdict == "inconclusive" and "no evidence is not a pass" in empty.reason
