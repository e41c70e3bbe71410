"""Faults of nginx's configuration, server by server."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "nginx",
    "site.conf",
    "nginx",
    "server {{ # {w}",
    {
        "semicolon": Fault(
            "the semicolon is missing",
            "    server_name {w}{n}.example.com;",
            "    server_name {w}{n}.example.com",
            r"^    server_name [^;]*$",
        ),
        "colon": Fault(
            "a colon after the directive",
            "    root /srv/{w}/{n};",
            "    root: /srv/{w}/{n};",
            r"^    root:",
        ),
        "scheme": Fault(
            "proxy_pass without a scheme",
            "    location /{w}/ {{ proxy_pass http://127.0.0.1:80{n}0; }}",
            "    location /{w}/ {{ proxy_pass 127.0.0.1:80{n}0; }}",
            r"proxy_pass \d",
        ),
        "size_unit": Fault(
            "a size with a unit that nginx does not know",
            "    client_max_body_size {n}m;",
            "    client_max_body_size {n}MB;",
            r"_size \d+MB",
        ),
        "tls_off": Fault(
            "port 443 without ssl",
            "    listen 443 ssl; # {w}",
            "    listen 443; # {w}",
            r"listen 443;",
        ),
        "traversal": Fault(
            "an alias for a location with a closing slash lacks its own",
            "    location /{w}{n}/ {{ alias /data/{w}/; }}",
            "    location /{w}{n}/ {{ alias /data/{w}; }}",
            r"alias \S*[^/;];",
        ),
        "time_unit": Fault(
            "a time with a unit that nginx does not know",
            "    proxy_read_timeout {n}0s;",
            "    proxy_read_timeout {n}0sec;",
            r"timeout \d+sec",
        ),
        "quote": Fault(
            "a quote stays open",
            '    add_header X-Served-By "{w}{n}";',
            '    add_header X-Served-By "{w}{n};',
            r"\"\w+;",
        ),
    },
    foot="}}",
)
FAMILY = family(TABLE)
