"""Faults of shell scripts that set up a Linux machine, section by section."""

from __future__ import annotations

from .diagnosis import Fault, Table, family

TABLE = Table(
    "linux",
    "setup.sh",
    "Linux (a POSIX shell script, section by section)",
    "echo 'setting up {w}'",
    {
        "world": Fault(
            "a file that everyone can write",
            "chmod 640 /etc/{w}{n}.conf",
            "chmod 777 /etc/{w}{n}.conf",
            r"chmod 777",
        ),
        "spaces": Fault(
            "spaces around the equals sign of an assignment", "{w}={n}", "{w} = {n}", r"^\w+ = "
        ),
        "root_rm": Fault(
            "a recursive removal of a variable that may be empty",
            'rm -rf "${{DATA_{n}:?}}/{w}"',
            'rm -rf "$DATA_{n}/{w}"',
            r"rm -rf \"\$\w+/",
        ),
        "append": Fault(
            "fstab is overwritten and not appended to",
            "echo '/dev/sd{n} /mnt/{w} ext4' >> /etc/fstab",
            "echo '/dev/sd{n} /mnt/{w} ext4' > /etc/fstab",
            r"[^>]> /etc/fstab",
        ),
        "owner": Fault(
            "chown with owner and group the wrong way: staff is the group",
            "chown {w}:staff /srv/{w}{n}",
            "chown staff:{w} /srv/{w}{n}",
            r"chown staff:",
        ),
        "kill": Fault(
            "SIGKILL before SIGTERM was tried",
            'kill -TERM "$(cat /run/{w}{n}.pid)"',
            'kill -KILL "$(cat /run/{w}{n}.pid)"',
            r"kill -KILL",
        ),
        "insecure": Fault(
            "a download that does not check the certificate",
            "curl -fsS https://example.com/{w}{n} -o {w}.tgz",
            "curl -fsSk https://example.com/{w}{n} -o {w}.tgz",
            r"curl -\w*k ",
        ),
        "cron_all": Fault(
            "a job that runs every minute instead of once an hour",
            "echo '{n} * * * * /opt/{w}' | crontab -",
            "echo '* * * * * /opt/{w}' | crontab -",
            r"'\* \* ",
        ),
    },
)
FAMILY = family(TABLE)
