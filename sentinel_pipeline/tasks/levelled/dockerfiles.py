"""Faults of Dockerfiles, stage by stage."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "dockerfiles",
    "Dockerfile",
    "Docker",
    "FROM debian:12.{b} AS {w}",
    {
        "shell_form": Fault(
            "CMD is not a JSON list, so signals do not arrive",
            'CMD ["{w}", "--level", "{n}"]',
            "CMD {w} --level {n}",
            r"^CMD [^\[]",
        ),
        "add_url": Fault(
            "ADD fetches from the network without a checksum",
            "ADD --checksum=sha256:{n}{n}{n}{n} https://example.com/{w}.tgz /opt/",
            "ADD https://example.com/{w}.tgz /opt/",
            r"^ADD https",
        ),
        "sudo": Fault("sudo in RUN", "RUN useradd {w}{n}", "RUN sudo useradd {w}{n}", r"^RUN sudo"),
        "cd": Fault(
            "RUN cd changes nothing for later lines",
            "WORKDIR /srv/{w}{n}",
            "RUN cd /srv/{w}{n}",
            r"^RUN cd",
        ),
        "apt_yes": Fault(
            "apt-get install waits for an answer",
            "RUN apt-get update && apt-get install -y {w}",
            "RUN apt-get update && apt-get install {w}",
            r"install (?!-y)",
        ),
        "env_space": Fault(
            "ENV without an equals sign", "ENV LEVEL_{n}={w}", "ENV LEVEL_{n} {w}", r"^ENV \w+ "
        ),
        "port": Fault(
            "EXPOSE of a port that is not a number", "EXPOSE 80{n}0", "EXPOSE {w}", r"^EXPOSE [a-z]"
        ),
        "copy_up": Fault(
            "COPY from outside of the build's folder",
            "COPY {w}/ /app/{n}/",
            "COPY ../{w}/ /app/{n}/",
            r"^COPY \.\.",
        ),
    },
)
FAMILY = family(TABLE)
