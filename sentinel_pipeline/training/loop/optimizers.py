"""Optimizers: AdamW, and Muon for the hidden matrices with AdamW for the rest, as one ``torch``
optimizer each.

Muon (K. Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/) steps along the
orthogonalised momentum. PyTorch's own orthogonalises in bfloat16, which CPUs without such units
emulate; here it is float32. One optimizer object for both kinds of parameters, so that a trainer
saves, loads and schedules it like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from torch.optim import Optimizer

BETAS = (0.9, 0.95)
EPS = 1e-8
MOMENTUM = 0.95
ITERATIONS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic Newton-Schulz iteration, from the post above."""


def build_optimizer(
    model: Module, name: str, learning_rate: float, weight_decay: float
) -> Optimizer:
    """``adamw`` or ``muon`` over the model's trainable parameters; norms and biases are not
    decayed.

    For ``muon``, ``learning_rate`` is AdamW's for embeddings and norms; a hidden matrix of shape
    (a, b) moves by ``0.2 * sqrt(max(a, b))`` times it (Liu et al., 2025, arXiv:2502.16982), so one
    rate serves both.
    """
    import torch

    trained = [(key, value) for key, value in model.named_parameters() if value.requires_grad]
    flat = [value for _, value in trained if value.ndim < 2]
    if name == "adamw":
        matrices = [value for _, value in trained if value.ndim >= 2]
        groups = [
            {"params": matrices, "weight_decay": weight_decay},
            {"params": flat, "weight_decay": 0.0},
        ]
        trained_groups = [group for group in groups if group["params"]]
        return torch.optim.AdamW(trained_groups, lr=learning_rate, betas=BETAS, eps=EPS, fused=True)
    hidden = [value for key, value in trained if value.ndim == 2 and not _is_embedding(key)]
    tables = [
        value
        for key, value in trained
        if value.ndim >= 2 and (value.ndim != 2 or _is_embedding(key))
    ]
    muon: Optimizer = _muon_class()(
        [
            {"params": hidden, "muon": True, "weight_decay": weight_decay},
            {"params": tables, "muon": False, "weight_decay": weight_decay},
            {"params": flat, "muon": False, "weight_decay": 0.0},
        ],
        learning_rate,
    )
    return muon


def _is_embedding(name: str) -> bool:
    return "embed" in name or "lm_head" in name


def orthogonalised(matrices: Tensor) -> Tensor:
    """Each matrix of a stack (n, a, b) with its singular values drawn near 1, by Newton-Schulz."""
    import torch

    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def _muon_class() -> Any:
    """The class, made late: its base lives in torch."""
    import torch

    class Muon(torch.optim.Optimizer):
        def __init__(self, groups: list[dict[str, Any]], lr: float) -> None:
            super().__init__([group for group in groups if group["params"]], {"lr": lr})

        @torch.no_grad()
        def step(self, closure: Any = None) -> None:  # type: ignore[override]  # no closure is evaluated, so no loss comes back
            for group in self.param_groups:
                live = [p for p in group["params"] if p.grad is not None]
                torch._foreach_mul_(live, 1 - group["lr"] * group["weight_decay"])
                (self._muon if group["muon"] else self._adam)(live, group["lr"])

        def _muon(self, parameters: list[Tensor], lr: float) -> None:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in parameters:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, same in by_shape.items():
                grads = [p.grad for p in same if p.grad is not None]
                momenta = [self.state[p].setdefault("momentum", torch.zeros_like(p)) for p in same]
                torch._foreach_lerp_(momenta, grads, 1 - MOMENTUM)
                ahead = torch._foreach_lerp(grads, momenta, MOMENTUM)  # noqa: SLF001 -- no public name
                steps = orthogonalised(torch.stack(ahead)).unbind(0)
                torch._foreach_add_(same, steps, alpha=-lr * 0.2 * max(shape) ** 0.5)

        def _adam(self, parameters: list[Tensor], lr: float) -> None:
            for p in parameters:
                state = self.state[p]
                if not state:
                    state["step"] = torch.zeros(())
                    state["first"], state["second"] = torch.zeros_like(p), torch.zeros_like(p)
                state["step"] += 1
                state["first"].lerp_(p.grad, 1 - BETAS[0])
                state["second"].mul_(BETAS[1]).addcmul_(p.grad, p.grad, value=1 - BETAS[1])
                age = float(state["step"])
                scale = (state["second"] / (1 - BETAS[1] ** age)).sqrt_().add_(EPS)
                p.addcdiv_(state["first"], scale, value=-lr / (1 - BETAS[0] ** age))

    return Muon
