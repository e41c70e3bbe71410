"""Becomes a Node process that only parses: TypeScript in, JavaScript out, over standard input and
output.

The parser is trusted, the texts it reads are not, so it gives up first what parsing does not need:
files, the network, other processes, memory without bound. What this module does not do: run
JavaScript of others; ``parser.js`` only reads it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

from . import filters, kernel, tables

_DATA_BYTES = 1 << 30
"""Below this V8 does not start; its address space, which it only reserves, cannot be bounded."""
_FLAGS = ("--permission", "--no-warnings", "--experimental-vm-modules", "--max-old-space-size=256")


def main() -> NoReturn:
    """Lock down, then execute the program that ``argv[1]`` names as JSON.

    Raises:
        OSError: it cannot be executed.
    """
    node: str = json.loads(sys.argv[1])["node"]
    script = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
    kernel.die_with_parent()
    os.chdir("/")
    for name in (resource.RLIMIT_AS, resource.RLIMIT_CPU):
        hardest = resource.getrlimit(name)[1]
        resource.setrlimit(name, (hardest, hardest))
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: 64}
    for name, value in {**bounds, resource.RLIMIT_DATA: _DATA_BYTES}.items():
        resource.setrlimit(name, (value, value))
    if tables.supported():
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        kernel.Filter(filters.for_parser()).install()
    os.execve(node, ["node", *_FLAGS, "-e", script], {})


if __name__ == "__main__":
    main()
