"""Recipe sections about the model. What this module does not do: load one."""

from __future__ import annotations

import re
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
class RawWeights:
    """What a file of tensors by name (``.pt``, ``.bin``) needs besides itself."""

    config: str | None = None
    """A ``config.json``, or the folder that holds one; absent: beside the weights."""
    tokenizer: str | None = None
    """A folder with a tokenizer; absent: where the configuration is."""
    key: str | None = None
    """The entry of the file that holds the tensors, where the file holds more; absent: ``model``,
    ``state_dict``, ``model_state_dict``, ``module`` or the whole file."""
    rename: dict[str, str] = field(default_factory=dict)
    """Regular expression -> replacement (``\\1`` is its first group), applied to each tensor's name
    in this order: ``'^module[.]' = ""``."""
    drop: tuple[str, ...] = ()
    """Globs over names, after renaming, of tensors that the architecture does not have."""

    def check(self) -> None:
        for pattern in self.rename:
            try:
                re.compile(pattern)
            except re.error as error:
                fix = "Write a regular expression."
                raise Fault(f"{pattern!r} cannot be read: {error}", "rename", fix) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    source: str = "embedded"
    """``embedded``; a local folder (Transformers or PEFT); a ``.gguf`` file; a ``.pt`` or ``.bin``
    file of tensors; ``package:NAME`` of an installed package that carries weights; a hub model's
    name; or ``probed``: whichever of ``candidates`` does better in a short probe."""
    revision: str | None = None
    """The hub model's branch, tag or commit; the commit that it came to is recorded."""
    raw: RawWeights = field(default_factory=RawWeights)
    """Of a ``.pt`` or ``.bin`` file."""
    template: str | None = None
    """The chat template: ``chatml``, ``llama3``, ``gemma`` or ``mistral``, or a file; absent: the
    tokenizer's own."""
    stop_token: str | None = None
    """The token that ends a turn; absent: the one that the template writes after an answer."""
    thinking: bool | None = None
    """What a template with ``enable_thinking`` (Qwen3) is always given; absent: its default.
    ``false`` for a model that is trained and asked without thoughts."""
    trust_remote_code: bool = False
    """Run the Python files that come with the model, as this process's user. Without it such a
    model is refused; nobody is ever asked while a worker runs."""
    embedded: EmbeddedModel = field(default_factory=EmbeddedModel)
    candidates: tuple[StartCandidate, ...] = ()
    """Two starting points or more, the preferred one first (the auto-critic plan's pretrain anchor
    and best checkpoint)."""
    probe: tuple[str, ...] = ("format_probe",)
    """Generated suites that the candidates answer; a later candidate is chosen only where it passes
    significantly more items."""
    min_probe: Share = 0.05
    """The least share of the probe's items that the chosen candidate passes: training does not
    start from one whose whole interval is below, or that passes none."""
    capable_because: str = ""
    """Why a model is trained that may be able to do the task already: an instruct model that has to
    learn a form or a house style. Needed where ``gates.capability_gap`` does not block; shown by
    the plan and on the model card."""

    def check(self) -> None:
        """Candidates and ``probed`` go together; what is said of weights needs weights."""
        probed = self.source == "probed"
        for key in ("template", "stop_token", "thinking", "trust_remote_code"):
            if self.source == "embedded" and getattr(self, key):
                fix = "Leave it out, or name weights in model.source."
                raise Fault("is said of an embedded model, which is made here", key, fix)
        names = [candidate.name for candidate in self.candidates]
        if probed != bool(names):
            fix = 'Set model.source = "probed" and name [[model.candidates]], or neither.'
            raise Fault("candidates are there to be probed", "candidates", fix)
        if probed and (len(names) < 2 or len(set(names)) < len(names) or not all(names)):
            message = f"{names}: expected two or more, each with a name of its own"
            raise Fault(message, "candidates")
        if probed and not self.probe:
            raise Fault("names no suite", "probe", 'Name "format_probe".')
