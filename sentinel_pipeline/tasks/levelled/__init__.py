"""Task families that grow: the same kind of task at several levels of difficulty, one file each. A
new family is one file and one line here.

``PLANNED`` says which family covers which kind of data that the auto-critic plan names. How hard a
level is, is measured by ``tasks.difficulty``. What this package does not do: belong to ``tiny``,
whose families are ``tasks.families``.
"""

from __future__ import annotations

from ..families.family import Family
from . import (
    azure,
    dockerfiles,
    fixes,
    handlers,
    linux,
    logs,
    modules,
    nginx,
    plans,
    pm2,
    refactors,
    repairs,
    scripts,
    ssh,
    summaries,
    systemd,
    talks,
    workflows,
)

LEVELLED: tuple[Family, ...] = (
    modules.FAMILY,
    fixes.FAMILY,
    handlers.FAMILY,
    scripts.FAMILY,
    repairs.FAMILY,
    refactors.FAMILY,
    workflows.FAMILY,
    linux.FAMILY,
    dockerfiles.FAMILY,
    nginx.FAMILY,
    systemd.FAMILY,
    pm2.FAMILY,
    azure.FAMILY,
    ssh.FAMILY,
    logs.FAMILY,
    talks.FAMILY,
    summaries.FAMILY,
    plans.FAMILY,
)

PLANNED: dict[str, dict[str, tuple[str, ...]]] = {
    "executable_code": {
        "HumanEval-style stubs": ("modules",),
        "MBPP-style prompts": ("functions", "modules"),
        "unit-test repair": ("fixes",),
        "CLI scripts": ("scripts",),
        "API handlers": ("handlers",),
    },
    "code_editing": {
        "unified diffs": ("edits", "repairs", "refactors"),
        "bug fixes": ("repairs",),
        "refactors": ("refactors",),
        "failing-test-to-patch": ("repairs",),
    },
    "tool_use": {
        "file search": ("workflows",),
        "terminal commands": ("workflows", "shell"),
        "deployment diagnostics": ("workflows", "logs"),
        "function-call JSON": ("tools", "workflows"),
    },
    "devops": {
        "Linux": ("linux", "systemd", "shell"),
        "Docker": ("dockerfiles",),
        "nginx": ("nginx",),
        "pm2": ("pm2",),
        "Azure": ("azure",),
        "SSH": ("ssh",),
        "logs": ("logs",),
    },
    "general_chat": {
        "concise natural language": ("chat", "talks"),
        "summarization": ("summaries",),
        "planning": ("plans",),
    },
}
"""Category -> a kind of data of the auto-critic plan's mix -> the families that generate it."""

__all__ = ["LEVELLED", "PLANNED"]
