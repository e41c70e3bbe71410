"""What people write beside a row or a turn to say whether it is trained on: ``weight``, ``train``,
``label``, masks per turn.

A mark against training is never lost: the answer that it speaks of becomes no candidate. A mark
that is neither a yes nor a no (``weight: 0.5``) is refused by name, because passing over it would
train what nobody meant to be trained so. What this module does not do: know row shapes, or score.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_YES = frozenset(
    {
        "train", "training", "trainable", "trained", "is_trained", "train_on_turn", "train_turn", "learn", "learnable", "loss",
        "weight", "loss_weight", "train_weight", "sample_weight", "example_weight", "row_weight", "turn_weight", "loss_mask",
        "train_mask", "training_mask", "label", "labels", "desirable", "loss_masks", "train_masks", "masks", "weights",
        "turn_weights", "loss_weights", "turn_masks", "train_turns",
    }
)  # fmt: skip
"""Names of marks that are true, or not zero, where something is trained on."""
_NO = frozenset(
    {
        "do_not_train", "dont_train", "no_train", "not_trained", "no_loss", "ignore", "ignored", "ignore_loss", "exclude",
        "excluded", "skip", "skip_training", "masked", "mask_out", "undesirable",
    }
)  # fmt: skip
"""Names of marks that are true where something is not trained on."""
MARKS = _YES | _NO | {"mask"}
_OFTEN_ELSE = frozenset(
    {"label", "labels", "loss", "weights", "train", "training", "skip", "ignore"}
)
"""Of a whole row these are often something else (a class, a measured loss): there only a yes or no
counts as a mark."""
_SPEAKS = re.compile(r"(?:^|_)(?:train\w*|weights?|loss|masks?|masked|learn\w*)(?:_|$)")
_WORDS = {"true": True, "yes": True, "1": True, "1.0": True, "false": False, "no": False, "0": False, "0.0": False}  # fmt: skip
_ASKERS = frozenset({"user", "human", "prompt", "input", "system", "instruction"})


def says_not_to_train_turn(turn: Mapping[str, Any], place: str) -> str | None:
    """Which mark of an assistant's turn is against training on it, as ``PLACE.NAME is VALUE``.

    Raises:
        ValueError: a mark is neither a yes nor a no, or has a name that nobody here knows.
    """
    for name, value in turn.items():
        if value is None:
            continue
        if name in MARKS:
            if _meaning(name, value, place) is False:
                return f"{place}.{name} is {_short(value)}"
        elif isinstance(name, str) and _SPEAKS.search(name.lower()):
            raise ValueError(f"{place}.{name}: is not understood here and would be lost")
    return None


def says_not_to_train_row(row: Mapping[str, Any], roles: Sequence[str]) -> str | None:
    """Which mark of a whole row is against training on its answer, as ``NAME is VALUE``.

    Args:
        row: the row's fields.
        roles: of every turn, the answer's last: what a mask per turn has to fit.

    Raises:
        ValueError: a mark is neither a yes nor a no, or a mask fits neither all turns nor the
            assistant's.
    """
    for name in sorted(row.keys() & MARKS):
        value = row[name]
        if value is None:
            continue
        if isinstance(value, list):
            if _last_of_mask(name, value, roles) is False:
                return f"{name} ends with {_short(value[-1])}"
        elif name in _OFTEN_ELSE and not _is_plain_mark(name, value):
            continue
        elif _meaning(name, value, "row") is False:
            return f"{name} is {_short(value)}"
    return None


def _is_plain_mark(name: str, value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in _WORDS
    if isinstance(value, float) and name == "loss":
        return False  # a measured one
    return isinstance(value, bool) or (isinstance(value, (int, float)) and value in (0, 1))


def _last_of_mask(name: str, mask: list[Any], roles: Sequence[str]) -> bool | None:
    """What a mask says of the answer; None where the list is no mask."""
    if name in _OFTEN_ELSE and not all(_is_plain_mark(name, value) for value in mask):
        return None
    talk = [role for role in roles if role != "system"]
    if not mask or len(mask) not in (len(roles), len(talk), roles.count("assistant")):
        raise ValueError(
            f"{name}: {len(mask)} values fit neither the {len(roles)} turns nor the {roles.count('assistant')} answers"
        )
    return _meaning(name, mask[-1], "row")


def _meaning(name: str, value: Any, place: str) -> bool:
    """Whether the mark is for training.

    Raises:
        ValueError: it says neither.
    """
    answer: bool | None = None
    if isinstance(value, bool):
        answer = value
    elif isinstance(value, (int, float)) and value in (0, 1):
        answer = bool(value)
    elif isinstance(value, str):
        answer = _WORDS.get(value.strip().lower())
        if name == "mask" and value.strip().lower() in _ASKERS:
            return True  # whoever asks is masked out; that is so for every row here
    if answer is None or name == "mask":
        raise ValueError(
            f"{place}.{name}: {_short(value)} cannot be kept here: expected 1 or true (trained), 0 or false (not trained)"
            if name != "mask"
            else f"{place}.mask: {_short(value)} may mean trained or left out: name it train, or do_not_train"
        )
    return answer if name in _YES else not answer


def _short(value: Any) -> str:
    return repr(value)[:40]
