"""Made-up secrets: keys of 130 kinds by the formats that their providers document, passwords in
fifty places, and text that only looks like a secret. The detector is measured and tested on them.

The beginning of a format is written in two pieces, so that no scanner of commits takes this file
for a leak; values are drawn at run time and open nothing. What this module does not do: take a
value from anywhere, or look at the rules of a detector.
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
LOWER = string.ascii_lowercase + string.digits
BASE32 = string.ascii_uppercase + "234567"
HEX = "0123456789abcdef"
URL_SAFE = ALNUM + "-_"
B64 = ALNUM + "+/"
DIGITS = string.digits


class MadeSecret(NamedTuple):
    """``text`` is what a person would write, ``value`` the part of it that must not be shown."""

    group: str
    provider: str
    text: str
    value: str


class Draw:
    """Random pieces of text from one seed."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def of(self, alphabet: str, length: int) -> str:
        """Letters and digits are mixed, as in every issued key; a piece of one sort is drawn
        again."""
        for _ in range(50):
            text = "".join(self.rng.choices(alphabet, k=length))
            if length < 12 or len(set(text)) > min(8, len(alphabet) // 2):
                return text
        return text

    def uuid(self) -> str:
        return "-".join(self.of(HEX, length) for length in (8, 4, 4, 4, 12))

    def b64(self, count: int) -> str:
        return base64.b64encode(self.rng.randbytes(count)).decode()

    def claims(self, value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    def password(self) -> str:
        """Eleven to sixteen letters and digits with two to four signs among them."""
        signs = self.rng.sample("!#%&*+=?@^$", self.rng.randint(2, 4))
        letters = [*self.of(ALNUM, self.rng.randint(8, 11)), self.of(DIGITS, 1), *signs]
        self.rng.shuffle(letters)
        return self.of(string.ascii_letters, 1) + "".join(letters)


Make = Callable[[Draw], str]


def key_block(draw: Draw, words: str = "RSA PRIVATE KEY") -> str:
    dashes = "-" * 5
    body = [draw.b64(48) for _ in range(4)]
    return "\n".join([f"{dashes}BEGIN {words}{dashes}", *body, f"{dashes}END {words}{dashes}"])


PREFIXED: dict[str, dict[str, Make]] = {
    "cloud": {
        "AWS access key": lambda d: "AK" + "IA" + d.of(BASE32, 16),
        "AWS temporary access key": lambda d: "AS" + "IA" + d.of(BASE32, 16),
        "AWS Bedrock key": lambda d: "ABSK" + "QmVkcm9ja0FQSUtleS" + d.of(B64, 112),
        "Google Cloud API key": lambda d: "AI" + "za" + d.of(URL_SAFE, 35),
        "Google OAuth client secret": lambda d: "GOC" + "SPX-" + d.of(URL_SAFE, 28),
        "Google OAuth access token": lambda d: "ya" + "29." + d.of(URL_SAFE, 120),
        "Azure Entra client secret": lambda d: d.of(ALNUM, 3) + "8" + "Q~" + d.of(ALNUM + "_~.-", 34),
        "Azure storage": lambda d: (
            "DefaultEndpointsProtocol=https;AccountName=logs;Account" + f"Key={d.b64(64)}"
        ),
        "Azure DevOps": lambda d: d.of(ALNUM, 76) + "AZ" + "DO" + d.of(ALNUM, 4),
        "DigitalOcean": lambda d: "dop_" + "v1_" + d.of(HEX, 64),
        "DigitalOcean OAuth": lambda d: "doo_" + "v1_" + d.of(HEX, 64),
        "Alibaba Cloud": lambda d: "LT" + "AI5t" + d.of(ALNUM, 18),
        "Tencent Cloud": lambda d: "AK" + "ID" + d.of(ALNUM, 32),
        "Yandex Cloud": lambda d: "AQ" + "VN" + d.of(URL_SAFE, 36),
        "Heroku": lambda d: "HRKU" + "-AA" + d.of(URL_SAFE, 58),
        "Cloudflare Origin CA": lambda d: "v1." + "0-" + d.of(HEX, 24) + "-" + d.of(HEX, 146),
        "Fly.io": lambda d: "fo" + "1_" + d.of(URL_SAFE, 43),
        "Netlify": lambda d: "nf" + "p_" + d.of(ALNUM, 36),
        "Render": lambda d: "rn" + "d_" + d.of(ALNUM, 28),
    },
    "data": {
        "Databricks": lambda d: "da" + "pi" + d.of(HEX, 32),
        "PlanetScale": lambda d: "pscale_" + "tkn_" + d.of(URL_SAFE, 43),
        "Supabase": lambda d: "sb" + "p_" + d.of(HEX, 40),
        "Pinecone": lambda d: "pc" + "sk_" + d.of(ALNUM, 6) + "_" + d.of(ALNUM, 63),
        "ClickHouse Cloud": lambda d: "4b" + "1d" + d.of(ALNUM, 38),
        "Airtable": lambda d: "pa" + "t" + d.of(ALNUM, 14) + "." + d.of(HEX, 64),
        "Mapbox": lambda d: "sk." + "eyJ1Ijoi" + d.of(ALNUM, 70) + "." + d.of(URL_SAFE, 22),
        "Prefect": lambda d: "pn" + "u_" + d.of(LOWER, 36),
        "Pulumi": lambda d: "pu" + "l-" + d.of(HEX, 40),
        "Terraform Cloud": lambda d: d.of(ALNUM, 14) + ".atlas" + "v1." + d.of(URL_SAFE, 67),
        "HashiCorp Vault": lambda d: "hv" + "s." + d.of(URL_SAFE, 92),
        "Doppler": lambda d: "dp." + "pt." + d.of(ALNUM, 43),
        "1Password service account": lambda d: "op" + "s_" + d.claims({"email": d.of(LOWER, 12), "key": d.of(ALNUM, 190)}),
        "age": lambda d: "AGE-SECRET-" + "KEY-1" + d.of("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58),
    },
    "code": {
        "GitHub personal": lambda d: "gh" + "p_" + d.of(ALNUM, 36),
        "GitHub OAuth": lambda d: "gh" + "o_" + d.of(ALNUM, 36),
        "GitHub server": lambda d: "gh" + "s_" + d.of(ALNUM, 36),
        "GitHub fine-grained": lambda d: "github_" + "pat_" + d.of(ALNUM, 22) + "_" + d.of(ALNUM, 59),
        "GitLab personal": lambda d: "gl" + "pat-" + d.of(URL_SAFE, 20),
        "GitLab deploy": lambda d: "gl" + "dt-" + d.of(URL_SAFE, 20),
        "GitLab runner": lambda d: "gl" + "rt-" + d.of(URL_SAFE, 20),
        "Bitbucket app password": lambda d: "AT" + "BB" + d.of(ALNUM, 32),
        "Atlassian": lambda d: "ATATT" + "3xFfGF0" + d.of(URL_SAFE, 171) + "=" + d.of("0123456789ABCDEF", 8),
        "CircleCI": lambda d: "CCI" + "PAT_" + d.of(ALNUM, 22) + "_" + d.of(HEX, 40),
        "Buildkite": lambda d: "bk" + "ua_" + d.of(HEX, 40),
        "SonarQube": lambda d: "sq" + "p_" + d.of(HEX, 40),
        "npm": lambda d: "np" + "m_" + d.of(ALNUM, 36),
        "PyPI": lambda d: "py" + "pi-AgEIcHlwaS5vcmc" + d.of(URL_SAFE, 120),
        "RubyGems": lambda d: "ruby" + "gems_" + d.of(HEX, 48),
        "NuGet": lambda d: "oy" + "2" + d.of(string.ascii_lowercase + "234567", 43),
        "Clojars": lambda d: "CLO" + "JARS_" + d.of(HEX, 60),
        "Docker Hub": lambda d: "dckr_" + "pat_" + d.of(URL_SAFE, 27),
        "JFrog": lambda d: "AK" + "Cp" + d.of(ALNUM, 69),
        "Postman": lambda d: "PM" + "AK-" + d.of(HEX, 24) + "-" + d.of(HEX, 34),
    },
    "models": {
        "OpenAI": lambda d: "sk-" + d.of(ALNUM, 20) + "T3Blbk" + "FJ" + d.of(ALNUM, 20),
        "OpenAI project": lambda d: "sk-" + "proj-" + d.of(URL_SAFE, 74) + "T3Blbk" + "FJ" + d.of(URL_SAFE, 74),
        "Anthropic": lambda d: "sk-" + "ant-api03-" + d.of(URL_SAFE, 93) + "AA",
        "Hugging Face": lambda d: "h" + "f_" + d.of(string.ascii_letters, 34),
        "Replicate": lambda d: "r" + "8_" + d.of(ALNUM, 37),
        "Groq": lambda d: "gs" + "k_" + d.of(ALNUM, 52),
        "Perplexity": lambda d: "pp" + "lx-" + d.of(ALNUM, 48),
        "xAI": lambda d: "xa" + "i-" + d.of(ALNUM, 80),
        "Fireworks": lambda d: "fw" + "_" + d.of(ALNUM, 24),
        "LangSmith": lambda d: "lsv2_" + "pt_" + d.of(HEX, 32) + "_" + d.of(HEX, 10),
        "NVIDIA": lambda d: "nv" + "api-" + d.of(URL_SAFE, 64),
        "OpenRouter": lambda d: "sk-" + "or-v1-" + d.of(HEX, 64),
        "DeepSeek": lambda d: "s" + "k-" + d.of(HEX, 32),
        "Cerebras": lambda d: "cs" + "k-" + d.of(LOWER, 48),
        "Tavily": lambda d: "tv" + "ly-" + d.of(ALNUM, 32),
        "Together": lambda d: "tgp_" + "v1_" + d.of(URL_SAFE, 43),
        "ElevenLabs": lambda d: "s" + "k_" + d.of(HEX, 48),
    },
    "payment": {
        "Stripe": lambda d: "sk_" + "live_" + d.of(ALNUM, 24),
        "Stripe restricted": lambda d: "rk_" + "live_" + d.of(ALNUM, 99),
        "Stripe webhook": lambda d: "wh" + "sec_" + d.of(ALNUM, 32),
        "Square": lambda d: "sq0" + "atp-" + d.of(URL_SAFE, 22),
        "Square production": lambda d: "EA" + "AA" + d.of(URL_SAFE, 60),
        "Braintree": lambda d: "access_token$" + "production$" + d.of(LOWER, 16) + "$" + d.of(HEX, 32),
        "Razorpay": lambda d: "rzp_" + "live_" + d.of(ALNUM, 14),
        "Shopify": lambda d: "sh" + "pat_" + d.of(HEX, 32),
        "Shopify shared secret": lambda d: "sh" + "pss_" + d.of(HEX, 32),
        "Plaid": lambda d: "access-" + "production-" + d.uuid(),
        "Flutterwave": lambda d: "FLW" + "SECK-" + d.of(HEX, 32) + "-X",
        "Paystack": lambda d: "sk_" + "live_" + d.of(HEX, 40),
        "EasyPost": lambda d: "EZ" + "AK" + d.of(ALNUM, 54),
        "Shippo": lambda d: "shippo_" + "live_" + d.of(HEX, 40),
        "Duffel": lambda d: "duffel_" + "live_" + d.of(URL_SAFE, 43),
    },
    "messages": {
        "Slack bot": lambda d: "xo" + "xb-" + d.of(DIGITS, 12) + "-" + d.of(DIGITS, 13) + "-" + d.of(ALNUM, 24),
        "Slack user": lambda d: (
            "xo" + "xp-" + d.of(DIGITS, 12) + "-" + d.of(DIGITS, 12) + "-" + d.of(DIGITS, 13) + "-" + d.of(HEX, 32)
        ),
        "Slack app": lambda d: "xa" + "pp-1-A" + d.of(UPPER, 10) + "-" + d.of(DIGITS, 13) + "-" + d.of(HEX, 64),
        "Slack webhook": lambda d: (
            "https://hooks." + f"slack.com/services/T{d.of(UPPER, 10)}/B{d.of(UPPER, 10)}/" + d.of(ALNUM, 24)
        ),
        "Discord webhook": lambda d: "https://discord." + f"com/api/webhooks/{d.of('123456789', 18)}/" + d.of(URL_SAFE, 68),
        "Discord bot": lambda d: "MT" + d.of(ALNUM, 24) + ".G" + d.of(ALNUM, 5) + "." + d.of(URL_SAFE, 38),
        "Telegram bot": lambda d: d.of("123456789", 10) + ":" + "AA" + d.of(URL_SAFE, 33),
        "Twilio": lambda d: "S" + "K" + d.of(HEX, 32),
        "SendGrid": lambda d: "S" + "G." + d.of(URL_SAFE, 22) + "." + d.of(URL_SAFE, 43),
        "Mailchimp": lambda d: d.of(HEX, 32) + "-us" + "12",
        "Brevo": lambda d: "xkey" + "sib-" + d.of(HEX, 64) + "-" + d.of(ALNUM, 16),
        "Resend": lambda d: "re" + "_" + d.of(ALNUM, 8) + "_" + d.of(ALNUM, 24),
        "Microsoft Teams webhook": lambda d: (
            f"https://acme.webhook.office.com/webhookb2/{d.uuid()}@{d.uuid()}/Incoming" + f"Webhook/{d.of(HEX, 32)}/{d.uuid()}"
        ),
    },
    "operations": {
        "New Relic": lambda d: "NR" + "AK-" + d.of(UPPER, 27),
        "Grafana service account": lambda d: "gl" + "sa_" + d.of(ALNUM, 32) + "_" + d.of(HEX, 8),
        "Sentry user": lambda d: "sntr" + "yu_" + d.of(HEX, 64),
        "Dynatrace": lambda d: "dt0" + "c01." + d.of(BASE32, 24) + "." + d.of(BASE32, 64),
        "Notion": lambda d: "nt" + "n_" + d.of(DIGITS, 11) + d.of(ALNUM, 35),
        "Linear": lambda d: "lin_" + "api_" + d.of(ALNUM, 40),
        "Figma": lambda d: "fi" + "gd_" + d.of(URL_SAFE, 40),
        "HubSpot": lambda d: "pat-" + "na1-" + d.uuid(),
        "Typeform": lambda d: "tf" + "p_" + d.of(URL_SAFE, 44) + "_" + d.of(ALNUM, 14),
        "Contentful": lambda d: "CF" + "PAT-" + d.of(URL_SAFE, 43),
        "ReadMe": lambda d: "rd" + "me_" + d.of(LOWER, 70),
        "LaunchDarkly": lambda d: "api" + "-" + d.uuid(),
        "Okta": lambda d: "SSWS " + "00" + d.of(URL_SAFE, 40),
        "Artifactory reference": lambda d: "cmV" + "mdGtu" + d.of(ALNUM, 56),
    },
    "generic": {
        "private key": key_block,
        "OpenSSH key": lambda d: key_block(d, "OPENSSH " + "PRIVATE KEY"),
        "EC key": lambda d: key_block(d, "EC " + "PRIVATE KEY"),
        "PGP key": lambda d: key_block(d, "PGP " + "PRIVATE KEY BLOCK"),
        "JWT": lambda d: ".".join(
            [d.claims({"alg": "HS256", "typ": "JWT"}), d.claims({"sub": d.of(ALNUM, 10), "iat": 1516239022}), d.of(URL_SAFE, 43)]
        ),
    },
}  # fmt: skip
"""Keys that say by themselves whose they are: group, provider, maker."""

WHERE = (
    'client = Client("{}")',
    "Run it with `{}` and see.",
    "export SERVICE_KEY={}",
    '{{"service": "{}"}}',
)
"""Where such a key is written: in code, in a sentence, in a shell, in JSON."""

NAMED: dict[str, dict[str, tuple[str, Make]]] = {
    "cloud": {
        "AWS secret key": ("aws_secret_access_key = {}", lambda d: d.of(B64, 40)),
        "Cloudflare": ("CLOUDFLARE_API_TOKEN={}", lambda d: d.of(URL_SAFE, 40)),
        "Linode": ('linode_token = "{}"', lambda d: d.of(HEX, 64)),
        "Hetzner": ("HCLOUD_TOKEN={}", lambda d: d.of(ALNUM, 64)),
        "IBM Cloud": ('ibm_api_key: "{}"', lambda d: d.of(URL_SAFE, 44)),
        "Scaleway": ("SCW_SECRET_KEY={}", lambda d: d.uuid()),
        "Vultr": ("VULTR_API_KEY={}", lambda d: d.of(UPPER, 36)),
        "Fastly": ("FASTLY_API_TOKEN={}", lambda d: d.of(URL_SAFE, 32)),
    },
    "models": {
        "Mistral": ('MISTRAL_API_KEY="{}"', lambda d: d.of(ALNUM, 32)),
        "Cohere": ('COHERE_API_KEY="{}"', lambda d: d.of(ALNUM, 40)),
        "Weights & Biases": ("WANDB_API_KEY={}", lambda d: d.of(HEX, 40)),
    },
    "messages": {
        "Twilio auth token": ("TWILIO_AUTH_TOKEN={}", lambda d: d.of(HEX, 32)),
        "Postmark": ('POSTMARK_SERVER_TOKEN="{}"', lambda d: d.uuid()),
        "Mailgun": ('MAILGUN_API_KEY="{}"', lambda d: "ke" + "y-" + d.of(HEX, 32)),
    },
    "operations": {
        "Datadog": ("DD_API_KEY={}", lambda d: d.of(HEX, 32)),
        "PagerDuty": ('pagerduty_api_key = "{}"', lambda d: d.of(URL_SAFE, 20)),
        "Rollbar": ("ROLLBAR_ACCESS_TOKEN={}", lambda d: d.of(HEX, 32)),
        "Algolia": ('ALGOLIA_ADMIN_API_KEY="{}"', lambda d: d.of(HEX, 32)),
    },
}  # fmt: skip
"""Keys without a mark of their own, with the setting that they stand in."""

BASIC = base64.b64encode

PASSWORDS: dict[str, Callable[[str], str]] = {
    ".env": lambda p: f"DB_HOST=db\nDB_PASSWORD={p}\nDB_PORT=5432",
    ".env, exported": lambda p: f"export SMTP_PASS='{p}'",
    "Python": lambda p: f'conn = connect(host="db", user="app", password="{p}")',
    "Python, dict": lambda p: f"settings = {{'user': 'app', 'passwd': '{p}'}}",
    "JSON": lambda p: json.dumps({"user": "app", "password": p}),
    "YAML": lambda p: f"database:\n  user: app\n  password: {p}\n  port: 5432",
    "YAML, quoted": lambda p: f'spring:\n  datasource:\n    password: "{p}"',
    "properties": lambda p: f"spring.datasource.username=app\nspring.datasource.password={p}",
    "INI": lambda p: f"[client]\nuser = app\npassword = {p}",
    "TOML": lambda p: f'[db]\nuser = "app"\npassword = "{p}"',
    "XML": lambda p: f"<server><username>ci</username><password>{p}</password></server>",
    "Dockerfile": lambda p: f"FROM postgres:17\nENV POSTGRES_PASSWORD={p}",
    "compose": lambda p: f"    environment:\n      - MYSQL_ROOT_PASSWORD={p}\n",
    "netrc": lambda p: f"machine api.acme.io login ci password {p}",
    "netrc, lines": lambda p: f"machine git.acme.io\n  login ci\n  password {p}\n",
    "pgpass": lambda p: f"cat > ~/.pgpass\ndb.acme.io:5432:orders:app:{p}\n",
    "JDBC": lambda p: f"jdbc:postgresql://db.acme.io:5432/orders?user=app&password={p}",
    "JDBC, SQL Server": lambda p: f"jdbc:sqlserver://db.acme.io:1433;databaseName=orders;user=app;password={p};encrypt=true",
    "JDBC, Oracle": lambda p: f"jdbc:oracle:thin:app/{p}@db.acme.io:1521:ORCL",
    "connection string": lambda p: f"Server=db.acme.io;Database=orders;User Id=app;Password={p};",
    "ODBC": lambda p: f"DRIVER={{ODBC Driver 18 for SQL Server}};SERVER=db;UID=app;PWD={p}",
    "libpq": lambda p: f"host=db.acme.io dbname=orders user=app password={p}",
    "URL": lambda p: f"postgres://app:{p}@db.acme.io:5432/orders",
    "URL, redis": lambda p: f"redis://:{p}@cache.acme.io:6379/0",
    "URL, amqp": lambda p: f"BROKER=amqps://worker:{p}@mq.acme.io/prod",
    "mongodb": lambda p: f"mongodb+srv://app:{p}@cluster0.ab1cd.mongodb.net/orders",
    "mysql -p": lambda p: f"mysql -h db.acme.io -u app -p'{p}' orders < dump.sql",
    "mysqldump --password": lambda p: f"mysqldump --user=app --password='{p}' orders > dump.sql",
    "--password=": lambda p: f"sentry login --user ci --password={p}",
    "--password": lambda p: f"docker login -u ci --password {p} registry.acme.io",
    "docker login -p": lambda p: f"docker login registry.acme.io -u ci -p {p}",
    "curl -u": lambda p: f"curl -u 'ci:{p}' https://api.acme.io/v1/orders",
    "curl --user": lambda p: f'curl -s --user ci:{p} "https://api.acme.io"',
    "sshpass": lambda p: f"sshpass -p '{p}' ssh ops@db.acme.io uptime",
    "PGPASSWORD": lambda p: f"PGPASSWORD='{p}' psql -h db.acme.io -U app orders",
    "PGPASSWORD, bare": lambda p: f"PGPASSWORD={p} pg_dump -h db.acme.io orders",
    "redis-cli -a": lambda p: f"redis-cli -h cache.acme.io -a '{p}' ping",
    "ldapsearch -w": lambda p: f"ldapsearch -x -D cn=admin,dc=acme -w '{p}' -b dc=acme",
    "openssl pass:": lambda p: f"openssl enc -aes-256-cbc -in a -out b -pass pass:{p}",
    "Basic header": lambda p: f"Authorization: Basic {BASIC(f'ci:{p}'.encode()).decode()}",
    "Docker auth": lambda p: json.dumps({"auths": {"registry.acme.io": {"auth": BASIC(f"ci:{p}".encode()).decode()}}}),
    "Docker auth, pull secret": lambda p: (
        '".dockerconfigjson": "'
        + BASIC(json.dumps({"auths": {"r.acme.io": {"auth": BASIC(f"ci:{p}".encode()).decode()}}}).encode()).decode()
        + '"'
    ),
    ".npmrc _auth": lambda p: f"//registry.acme.io/:_auth={BASIC(f'ci:{p}'.encode()).decode()}",
    "PHP": lambda p: f"define('DB_PASSWORD', '{p}');",
    "SQL": lambda p: f"CREATE USER app IDENTIFIED BY '{p}';",
    "SQL, PostgreSQL": lambda p: f"ALTER ROLE app WITH LOGIN PASSWORD '{p}';",
    "Java": lambda p: f'String dbPassword = "{p}";',
    "Go": lambda p: f'password := "{p}"',
    "PowerShell": lambda p: f"$password = ConvertTo-SecureString '{p}' -AsPlainText -Force",
    "Windows net use": lambda p: f"net use Z: \\\\files\\share /user:ACME\\ci '{p}'",
}  # fmt: skip
"""How a password is written, by place: each makes the text around it."""


ENDS = {
    "XML": "&",
    "pgpass": ":",
    "JDBC": "&#",
    "JDBC, SQL Server": ";",
    "JDBC, Oracle": "@/",
    "connection string": ";",
    "ODBC": ";",
}
"""Signs that would end a password at a place: left out there, as its owner would have to."""
URL_ENDS = "@/#?:%$&"
SHELL_ENDS = "&#*?!$^"
IN_URLS = ("URL", "URL, redis", "URL, amqp", "mongodb")
IN_SHELLS = (
    "--password=",
    "--password",
    "docker login -p",
    "curl --user",
    "PGPASSWORD, bare",
    "openssl pass:",
)


def password_for(draw: Draw, place: str) -> str:
    """A password that can stand at a place."""
    ends = ENDS.get(place, "")
    ends += URL_ENDS if place in IN_URLS else ""
    ends += SHELL_ENDS if place in IN_SHELLS else ""
    return "".join(char for char in draw.password() if char not in ends)


REFERENCES = (
    "DB_PASSWORD=${DB_PASSWORD}",
    "DB_PASSWORD=$DB_PASSWORD",
    "password: ${DB_PASSWORD:-}",
    "password: ${POSTGRES_PASSWORD:?set it}",
    'password = os.environ["DB_PASSWORD"]',
    'api_key = os.getenv("OPENAI_API_KEY")',
    'api_key=os.environ.get("OPENAI_API_KEY", "")',
    "const token = process.env.GITHUB_TOKEN;",
    "apiKey: process.env.STRIPE_SECRET_KEY!,",
    "token: ${{ secrets.GITHUB_TOKEN }}",
    "password: {{ secrets.DB_PASSWORD }}",
    "password: {{ .Values.db.password }}",
    'password: "{{ vault_db_password }}"',
    "password: vault:secret/data/db#password",
    "db_password: !vault |",
    "Password: !Ref DBPassword",
    "MasterUserPassword: !Sub '{{resolve:secretsmanager:prod-db:SecretString:password}}'",
    "SecretKey: !GetAtt AccessKey.SecretAccessKey",
    "password: op://Production/database/password",
    "password = data.aws_secretsmanager_secret_version.db.secret_string",
    "password = var.db_password",
    "secret_key = settings.SECRET_KEY",
    "valueFrom:\n  secretKeyRef:\n    name: db-credentials\n    key: password",
    "DB_PASSWORD_FILE=/run/secrets/db_password",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
    "password=$(cat /run/secrets/db_password)",
    "password=`pass show db`",
    "PGPASSWORD=$(gcloud secrets versions access latest --secret=db) psql",
    "mysql -u root -p$MYSQL_ROOT_PASSWORD orders",
    'mysql -u root -p"${MYSQL_ROOT_PASSWORD}" orders',
    "curl -u $USER:$TOKEN https://api.acme.io",
    'curl -H "Authorization: Bearer $TOKEN" https://api.acme.io',
    'headers = {"Authorization": f"Bearer {token}"}',
    "docker login -u ci --password-stdin",
    "postgres://app:${PASSWORD}@db/orders",
    "postgresql://$USER:$PASSWORD@db/orders",
    'url = f"postgres://{user}:{password}@{host}/{name}"',
    "jdbc:postgresql://db/orders?user=app&password=${DB_PASSWORD}",
    "password = getpass.getpass()",
    'password = input("Password: ")',
    "password = keyring.get_password('system', 'user')",
    "password = secrets.token_urlsafe(32)",
    "password = generate_password(length=16)",
    "spring.datasource.password=@DB_PASSWORD@",
    "password=%DB_PASSWORD%",
    "password: <%= ENV['DB_PASSWORD'] %>",
    'client = vault.read("secret/data/app").data["api_key"]',
    "azurekeyvault: https://prod.vault.azure.net/secrets/db-password",
    "password: sm://project/db-password",
    "password: ref+awsssm://prod/db/password",
    "SECRET_KEY_BASE: <%= Rails.application.credentials.secret_key_base %>",
)
"""References to an environment or to a manager of secrets: nothing is given away."""

EXAMPLES = (
    "aws_access_key_id = AK" + "IAIOSFODNN7EXAMPLE",
    "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY",
    "OPENAI_API_KEY=sk-your-api-key-here",
    "OPENAI_API_KEY=sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    'client = OpenAI(api_key="sk-...")',
    "ANTHROPIC_API_KEY=sk-ant-your-key",
    "api_key = 'your-api-key'",
    "API_KEY=your_api_key_here",
    "password: changeme",
    "POSTGRES_PASSWORD=changeme123!",
    "password: change-me-in-production!",
    "password = 'xxxxxxxxxxxx'",
    "password: ********",
    "password = '<password>'",
    "password = '<YOUR_PASSWORD>'",
    "token = '[REDACTED]'",
    "GITHUB_TOKEN=gh" + "p_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "HF_TOKEN=h" + "f_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "SLACK_TOKEN=xox" + "b-your-token-here",
    "STRIPE_KEY=sk_" + "test_your_key_here",
    "password = 'P@ssw0rd'",
    "password = 'Password123!'",
    "password = 'hunter2'",
    "password = 'correct horse battery staple'",
    "user.set_password('s3cret!')",
    "assert login('alice', 'secret123!') is True",
    "SECRET_KEY = 'insert-secret-key-here'",
    "SECRET_KEY = 'django-insecure-change-this-key'",
    "https://user:password@example.com/path",
    "https://user:pass@proxy.example.com:8080",
    "mongodb://username:password@host:27017/db",
    "mongodb+srv://<user>:<password>@cluster.mongodb.net/db",
    "curl -u username:password https://api.example.com",
    "curl -u user:pass https://host",
    "mysql -u root -p mydb",
    "mysql -u root -ppassword mydb",
    "machine example.com login user password secret",
    "Authorization: Basic dXNlcjpwYXNzd29yZA" + "==",
    "Authorization: Bearer <token>",
    "Authorization: Bearer YOUR_ACCESS_TOKEN",
    "token = 'abcdefghijklmnopqrstuvwxyz1234567890'",
    "api_key = '1234567890abcdef1234567890abcdef'",
    "api_key = '0123456789abcdef0123456789abcdef'",
    "api_key = '00000000-0000-0000-0000-000000000000'",
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ"
    ".SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    "-----BEGIN RSA " + "PRIVATE KEY-----\n...\n-----END RSA " + "PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----\n<your key here>\n-----END " + "PRIVATE KEY-----",
    'key = "-----BEGIN ' + 'PRIVATE KEY-----"',
    "https://hooks." + "slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "AccountName=devstoreaccount1;Account" + "Key=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6"
    "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;",
    "Server=myServerAddress;Database=myDataBase;User Id=myUsername;Password=myPassword;",
)  # fmt: skip
"""Documented examples and stand-ins: they open nothing."""

LOCAL = (
    "postgres://postgres:postgres@localhost:5432/app",
    "postgresql://user:user@127.0.0.1/app",
    "postgres://app:s3cr3tPw@localhost:5432/app",
    "DATABASE_URL=mysql://root:root@127.0.0.1:3306/test",
    "amqp://guest:guest@localhost:5672/",
    "amqp://guest:guest@rabbitmq:5672/",
    "redis://:redis@localhost:6379/0",
    "mongodb://admin:admin@mongo:27017",
    "http://admin:admin@localhost:3000",
    "POSTGRES_PASSWORD=postgres",
    "MYSQL_ROOT_PASSWORD: root",
    "MINIO_ROOT_PASSWORD=minioadmin",
    "RABBITMQ_DEFAULT_PASS=guest",
    "jdbc:mysql://localhost:3306/app?user=root&password=root",
    "jdbc:postgresql://postgres:5432/app?user=postgres&password=postgres",
    "curl -u elastic:changeme http://localhost:9200",
    "mysql -uroot -proot test",
    "PGPASSWORD=postgres psql -h localhost -U postgres",
    "Server=localhost;Database=test;User Id=sa;Password=sa;",
    "docker run -e POSTGRES_PASSWORD=mysecretpassword -d postgres",
)
"""Defaults of a developer's own machine."""

CODE = (
    "token = get_token(request)",
    "tokens = tokenizer.encode('some text here')",
    "password: str = ''",
    "password: Optional[str] = None",
    "def login(username: str, password: str) -> Token:",
    "if password != confirm_password:",
    "password = request.form['password']",
    "self.password_hash = bcrypt.hashpw(password.encode(), bcrypt.gensalt())",
    "key = hashlib.sha256(data).hexdigest()",
    "cache_key = f'{user}:{name}:{version}'",
    "primary_key = 'customer_id_2024'",
    "sort_key=lambda item: item.created_at",
    "token_type = 'urn:ietf:params:oauth:token-type:access_token'",
    "secret_name = 'prod/database/credentials-v2'",
    "next_token = response['NextToken']",
    "keyboard.press_and_release('ctrl+shift+esc')",
    "csrf_token = request.cookies.get('csrftoken')",
    "pad_token = '<|endoftext|>'",
    "special_tokens_map = {'bos_token': '<s>', 'eos_token': '</s>'}",
    "PASSWORD_REGEX = r'^(?=.*[A-Z])(?=.*\\d)[A-Za-z\\d@$!%*?&]{8,}$'",
    "password_validators = ['django.contrib.auth.password_validation.MinimumLengthValidator']",
    "digest = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "integrity=\"sha512-" + "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==\"",
    "id = '123e4567-e89b-12d3-a456-426614174000'",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 user@host",
    "git clone git@github.com:user/repo.git",
    "https://github.com/acme/app/blob/main/src/auth/token_store.py",
    "sk-learn is a library",
    "def hf_hub_download_to_somewhere_else(x): pass",
    "The password must have 8 characters, a digit and a sign.",
    "Store the token in a vault, never in code: use a secret manager.",
    "The option --password requires a value; --token defaults to none.",
    "Pages behind a login with password protected areas are skipped.",
    "parser.add_argument('--password', required=True, help='the password of the account')",
    "curl -X POST -d '{\"name\": \"x\"}' https://api.acme.io/v1/orders",
    "tar -xzpf archive.tar.gz && mkdir -p build/output_2024",
    "grep -w 'Error42!' log.txt",
    "public_key = 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE'",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
)  # fmt: skip
"""Code and sentences about keys and passwords."""

NO_SECRETS: dict[str, tuple[str, ...]] = {
    "references": REFERENCES,
    "examples": EXAMPLES,
    "local defaults": LOCAL,
    "code": CODE,
}


MADE_TEXT = ("\n", "\n\nimport os\n\n", " ", "\n# then\n", " and ", "é\n")
"""What may stand between secrets."""


def made_secrets(rounds: int = 3, seed: int = 5) -> Iterator[MadeSecret]:
    """``rounds`` values of every kind, each in every place where such a secret is written."""
    draw = Draw(Random(seed))
    for _ in range(rounds):
        for group, providers in PREFIXED.items():
            for provider, make in providers.items():
                for where in WHERE:
                    value = make(draw)
                    yield MadeSecret(group, provider, where.format(value), value)
        for group, settings in NAMED.items():
            for provider, (where, make) in settings.items():
                value = make(draw)
                yield MadeSecret(group, provider, where.format(value), value)
        for place, write in PASSWORDS.items():
            password = password_for(draw, place)
            shown = write(password)
            encoded = [BASIC(f"ci:{password}".encode()).decode(), *shown.split('"')]
            value = password
            if password not in shown:
                value = max((text for text in encoded if text in shown), key=len)
            yield MadeSecret("passwords", place, shown, value)


def providers() -> set[str]:
    """Every provider that a key of ``made_secrets`` belongs to."""
    return {
        provider
        for table in (PREFIXED, NAMED)
        for group, rows in table.items()
        for provider in rows
        if group != "generic"
    }
