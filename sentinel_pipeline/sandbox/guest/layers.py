"""The names of the layers of isolation, in the order in which they are applied: the one list.

What this module does not do: apply or probe one; ``confine`` and ``probe`` do.
"""

from __future__ import annotations

NAMESPACES = (
    "user_namespace",
    "pid_namespace",
    "mount_namespace",
    "network_namespace",
    "ipc_namespace",
    "uts_namespace",
)
LAYERS = (
    *NAMESPACES,
    "private_root",
    "unprivileged_user",
    "no_new_privileges",
    "landlock",
    "seccomp",
    "rlimits",
)
