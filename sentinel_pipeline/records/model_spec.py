"""Recipe sections about the model. What this module does not do: load one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .bounds import Count, CountOrZero, Positive, Share
from .decode import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedModel:
    """The small model that a recipe without weights pretrains on the spot."""

    hidden: Count = 128
    layers: Count = 3
    heads: Count = 4
    intermediate: Count = 384
    experts: CountOrZero = 0
    """Experts of each feed-forward layer, beside a shared one (the Qwen2-MoE architecture); 0: a
    dense Llama."""
    experts_per_token: Count = 2
    vocabulary: Count = 1536
    context: Count = 512
    """Positions that the model can attend to, in tokens."""
    pretrain_steps: CountOrZero = 100
    pretrain_batch: Count = 8
    """Blocks of ``pretrain_length`` tokens a step."""
    pretrain_length: Count = 256
    optimizer: Literal["adamw", "muon"] = "muon"
    pretrain_learning_rate: Positive = 1e-3
    warmup_steps: CountOrZero = 20
    raw_material_share: Share = 0.8
    """Share of pretraining tokens from the families' raw material; the rest is the standard
    library's source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCandidate:
    """A model that training might start from."""

    name: str
    source: str
    """A local folder, or a hub model's name."""
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    source: str = "embedded"
    """``embedded``, a local folder, a hub model's name, or ``probed``: whichever of ``candidates``
    does better in a short probe."""
    revision: str | None = None
    embedded: EmbeddedModel = field(default_factory=EmbeddedModel)
    candidates: tuple[StartCandidate, ...] = ()
    """Two starting points or more, the preferred one first (the auto-critic plan's pretrain anchor
    and best checkpoint)."""
    probe: tuple[str, ...] = ("format_probe",)
    """Generated suites that the candidates answer; a later candidate is chosen only where it passes
    significantly more items."""

    def check(self) -> None:
        """Candidates and ``probed`` go together."""
        probed = self.source == "probed"
        names = [candidate.name for candidate in self.candidates]
        if probed != bool(names):
            fix = 'Set model.source = "probed" and name [[model.candidates]], or neither.'
            raise Fault("candidates are there to be probed", "candidates", fix)
        if probed and (len(names) < 2 or len(set(names)) < len(names) or not all(names)):
            message = f"{names}: expected two or more, each with a name of its own"
            raise Fault(message, "candidates")
        if probed and not self.probe:
            raise Fault("names no suite", "probe", 'Name "format_probe".')
