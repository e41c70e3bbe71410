"""Diagnosis of a deployment by its logs: services depend on each other, one of them failed first,
and those that need it failed after it. The level is the length of the chain.

The answer is known from how the log was made. What this module does not do: read logs.
"""

from __future__ import annotations

import json
from random import Random

from ...records import JsonAnswer
from ..families.family import Draft, Family, ask
from .material import WORDS, compositions, parted

LEVELS = (1, 6)
CAUSES = {
    "disk": "write failed: no space left on device",
    "memory": "killed: out of memory",
    "port": "bind failed: address already in use",
    "certificate": "handshake failed: certificate has expired",
    "config": "cannot start: unknown key in settings",
    "dns": "lookup failed: name does not resolve",
}
NOISE = (
    "request served in {n} ms",
    "cache holds {n} entries",
    "slow query: {n}0 ms",
    "retry {n} of 9 succeeded",
)


def draw(level: int, rng: Random) -> list[str]:
    """The cause, and for each service how many lines of noise it writes."""
    return [rng.choice(sorted(CAUSES)), *(str(rng.randint(1, 4)) for _ in range(level))]


def generate(composition: str, rng: Random) -> Draft:
    level, _, (cause, *noise) = parted(composition)
    chain = rng.sample(WORDS, level + 1)
    bystander = rng.choice([word for word in WORDS if word not in chain])
    start = rng.randint(600, 1200) * 60
    lines: list[tuple[int, str]] = []
    failed = start + rng.randint(200, 400)
    for place, service in enumerate(chain):
        for _ in range(int(noise[min(place, level - 1)])):
            at = start + rng.randint(0, 190)
            text = rng.choice(NOISE).format(n=rng.randint(2, 9))
            lines.append((at, f"INFO {service}: {text}"))
        if place == 0:
            lines.append((failed, f"ERROR {service}: {CAUSES[cause]}"))
        else:
            at = failed + 7 * place + rng.randint(0, 6)
            lines.append((at, f"ERROR {service}: no answer from {chain[place - 1]}"))
    # Another service is noisy before, and recovers: its warning is no cause.
    other = rng.choice([text for name, text in CAUSES.items() if name != cause])
    lines.append((start + 20, f"WARN {bystander}: {other}, tried again"))
    lines.append((start + 25, f"INFO {bystander}: works again"))
    lines.sort(key=lambda line: line[0])
    text = "\n".join(f"{_clock(at)} {line}" for at, line in lines)
    causes = ", ".join(CAUSES)
    prompt = (
        f"The log of a deployment:\n\n{text}\n\nWhich service failed first and brought the others down? Answer with a JSON object: "
        f'"service", "since" (the time of its first error), "cause" ({causes}) and "affected" (the services that failed after it, '
        "in the order of their errors)."
    )
    answer = json.dumps(
        {"service": chain[0], "since": _clock(failed), "cause": cause, "affected": chain[1:]}
    )
    return Draft(ask(prompt), answer, JsonAnswer(expected=answer))


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


FAMILY = Family(
    "logs", "devops", compositions("logs", LEVELS, ("chain",), draw), generate, levels=LEVELS
)
