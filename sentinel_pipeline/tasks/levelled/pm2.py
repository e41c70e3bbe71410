"""Faults of pm2's ecosystem files, app by app."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "pm2",
    "apps.config.js",
    "pm2 (the apps of its list)",
    "{{ name: '{w}',",
    {
        "mode": Fault(
            "an exec_mode that pm2 does not have",
            "  exec_mode: 'cluster', // {n}",
            "  exec_mode: 'multi', // {n}",
            r"exec_mode: 'multi'",
        ),
        "comma": Fault(
            "the comma is missing",
            "  script: 'dist/{w}{n}.js',",
            "  script: 'dist/{w}{n}.js'",
            r"script: '[^']*'$",
        ),
        "instances": Fault(
            "instances is neither a number nor 'max'",
            "  instances: {n},",
            "  instances: 'many{n}',",
            r"instances: 'many",
        ),
        "memory": Fault(
            "a size without a unit",
            "  max_memory_restart: '{n}00M',",
            "  max_memory_restart: '{n}00',",
            r"restart: '\d+'",
        ),
        "watch": Fault(
            "a truth value in quotes",
            "  watch: false, // {w}",
            "  watch: 'false', // {w}",
            r"watch: '",
        ),
        "cron": Fault(
            "a cron pattern of four fields",
            "  cron_restart: '0 {n} * * *',",
            "  cron_restart: '0 {n} * *',",
            r"cron_restart: '\S+ \S+ \S+ \S+',",
        ),
        "env_list": Fault(
            "env is a list and not an object",
            "  env: {{ LEVEL: '{w}' }},",
            "  env: ['LEVEL={w}'],",
            r"env: \[",
        ),
    },
    foot="}},",
)
FAMILY = family(TABLE)
