"""Faults of SSH client settings, host by host."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "ssh",
    "~/.ssh/config",
    "OpenSSH",
    "Host {w}",
    {
        "checking": Fault(
            "the host's key is not checked",
            "    StrictHostKeyChecking yes # {n}",
            "    StrictHostKeyChecking no # {n}",
            r"Checking no",
        ),
        "public_key": Fault(
            "IdentityFile names the public key",
            "    IdentityFile ~/.ssh/{w}{n}",
            "    IdentityFile ~/.ssh/{w}{n}.pub",
            r"IdentityFile \S+\.pub",
        ),
        "port_in_name": Fault(
            "a port in HostName",
            "    HostName 10.0.0.{n}",
            "    HostName 10.0.0.{n}:2222",
            r"HostName \S+:\d",
        ),
        "at_user": Fault(
            "User with a host behind it", "    User {w}", "    User {w}@host{n}", r"User \S+@"
        ),
        "port_range": Fault(
            "a port above 65535", "    Port 2{n}022", "    Port 8{n}022", r"Port 8\d{4}"
        ),
        "jump": Fault(
            "ProxyJump under a name that OpenSSH does not know",
            "    ProxyJump {w}{n}",
            "    JumpHost {w}{n}",
            r"JumpHost",
        ),
        "agent": Fault(
            "the agent is forwarded to every machine",
            "    ForwardAgent no # {w}",
            "    ForwardAgent yes # {w}",
            r"Agent yes",
        ),
        "forward": Fault(
            "LocalForward with the two ends joined by a colon",
            "    LocalForward 80{n}0 localhost:80",
            "    LocalForward 80{n}0:localhost:80",
            r"LocalForward \d+:",
        ),
    },
)
FAMILY = family(TABLE)
