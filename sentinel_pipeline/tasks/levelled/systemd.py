"""Faults of systemd units, written one after another."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "systemd",
    "units.txt",
    "systemd (several units, one after another)",
    "[Service] # {w}.service",
    {
        "relative": Fault(
            "ExecStart names no absolute path",
            "ExecStart=/usr/bin/{w} --port 80{n}0",
            "ExecStart=bin/{w} --port 80{n}0",
            r"^ExecStart=[^/]",
        ),
        "restart": Fault(
            "a value that Restart does not have",
            "Restart=on-failure # {n}",
            "Restart=on-error # {n}",
            r"Restart=on-error",
        ),
        "spaces": Fault(
            "Environment with a value in pieces",
            'Environment="NOTE={w} {n}"',
            "Environment=NOTE={w} {n}",
            r"^Environment=[^\"]",
        ),
        "type": Fault(
            "a value that Type does not have",
            "Type=simple # {w}",
            "Type=daemon # {w}",
            r"Type=daemon",
        ),
        "user": Fault(
            "User under a name that systemd does not know",
            "User={w}{n}",
            "Username={w}{n}",
            r"^Username=",
        ),
        "pipe": Fault(
            "a pipe in ExecStartPre, which is not a shell",
            "ExecStartPre=/bin/sh -c 'cat /etc/{w} | wc -l'",
            "ExecStartPre=/bin/cat /etc/{w} | wc -l",
            r"^ExecStartPre=/bin/cat",
        ),
        "memory": Fault(
            "a size with a unit that systemd does not know",
            "MemoryMax={n}00M",
            "MemoryMax={n}00MB",
            r"Max=\d+MB",
        ),
        "home": Fault(
            "a tilde in WorkingDirectory with a path behind it",
            "WorkingDirectory=/home/{w}/{n}",
            "WorkingDirectory=~/{w}/{n}",
            r"=~/",
        ),
    },
)
FAMILY = family(TABLE)
