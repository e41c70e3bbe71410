"""A small shop's database, generated: orders, reviews in Portuguese and the view
``orders_enriched`` that joins them.

The same seed gives the same rows. Amounts are whole cents, dates are of one year, and an order's
delay shows in its review's text, so that text and tables agree. What this module does not do: run
SQL; it only writes it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from random import Random
from typing import NamedTuple

from .texts import COMPLAINTS, review_text

CUSTOMERS = (
    ("Ana Souza", "São Paulo", "SP"),
    ("Bruno Lima", "Campinas", "SP"),
    ("Carla Dias", "Rio de Janeiro", "RJ"),
    ("Diego Alves", "Niterói", "RJ"),
    ("Elisa Rocha", "Belo Horizonte", "MG"),
    ("Fábio Nunes", "Uberlândia", "MG"),
    ("Gabriela Melo", "Salvador", "BA"),
    ("Heitor Pires", "Recife", "PE"),
    ("Isabela Costa", "Curitiba", "PR"),
    ("João Martins", "Porto Alegre", "RS"),
    ("Karina Lopes", "Fortaleza", "CE"),
    ("Lucas Ramos", "Brasília", "DF"),
)
PRODUCTS = {
    "fone bluetooth": ("eletrônicos", 12990, "o"),
    "carregador portátil": ("eletrônicos", 8950, "o"),
    "teclado sem fio": ("eletrônicos", 15900, "o"),
    "caixa de som": ("eletrônicos", 23450, "a"),
    "panela de pressão": ("casa", 18990, "a"),
    "jogo de lençóis": ("casa", 21900, "o"),
    "luminária de mesa": ("casa", 7990, "a"),
    "cafeteira elétrica": ("casa", 32990, "a"),
    "tênis de corrida": ("esporte", 34990, "o"),
    "garrafa térmica": ("esporte", 6490, "a"),
    "bola de futebol": ("esporte", 9990, "a"),
    "tapete de ioga": ("esporte", 11250, "o"),
    "perfume floral": ("beleza", 19990, "o"),
    "creme facial": ("beleza", 5490, "o"),
    "secador de cabelo": ("beleza", 16990, "o"),
    "kit de maquiagem": ("beleza", 13900, "o"),
}
"""Product -> category, usual price in cents, article."""
CATEGORIES = ("eletrônicos", "casa", "esporte", "beleza")
PAYMENTS = ("pix", "cartão", "boleto")
STATES = tuple(dict.fromkeys(state for _, _, state in CUSTOMERS))
ORDERS = 40
"""Orders in one database."""
_YEAR = dt.date(2025, 1, 1)
_SENTIMENT = {1: "negative", 2: "negative", 3: "neutral", 4: "positive", 5: "positive"}


class Order(NamedTuple):
    """One order with its review; ``score``, ``sentiment`` and ``text`` are None where nobody wrote
    one."""

    order_id: int
    customer: str
    city: str
    state: str
    product: str
    category: str
    quantity: int
    price: Decimal
    freight: Decimal
    payment: str
    ordered: dt.date
    promised: dt.date
    delivered: dt.date | None
    score: int | None
    sentiment: str | None
    complaint: str | None
    text: str | None

    @property
    def total(self) -> Decimal:
        """Price times quantity, and freight."""
        return self.price * self.quantity + self.freight

    @property
    def delay_days(self) -> int:
        """Days after the promised one; 0 when in time or not delivered."""
        return max(0, (self.delivered - self.promised).days) if self.delivered else 0


def orders(seed: str, count: int = ORDERS) -> list[Order]:
    """``count`` orders; the first ones are the same whatever ``count`` is."""
    return [_order(1001 + index, Random(f"order|{seed}|{index}")) for index in range(count)]


def _order(order_id: int, rng: Random) -> Order:
    customer, city, state = rng.choice(CUSTOMERS)
    product = rng.choice(list(PRODUCTS))
    category, cents, article = PRODUCTS[product]
    price = Decimal(cents + rng.choice((-500, -100, 0, 0, 250, 1000))) / 100
    ordered = _YEAR + dt.timedelta(days=rng.randrange(360))
    promised = ordered + dt.timedelta(days=rng.randint(3, 12))
    delay = rng.choice((-2, -1, 0, 0, 0, 2, 4, 7, 11))
    delivered = None if rng.random() < 0.08 else promised + dt.timedelta(days=delay)
    score = _score(delay, rng) if delivered and rng.random() < 0.8 else None
    sentiment = _SENTIMENT[score] if score else None
    complaint = _complaint(delay, rng) if sentiment == "negative" else None
    quantity = rng.choice((1, 1, 1, 2, 3))
    freight = Decimal(rng.choice((0, 990, 1290, 1590, 2450))) / 100
    text = (
        review_text(str(sentiment), complaint, f"{article} {product}", max(0, delay), rng)
        if score
        else None
    )
    return Order(
        order_id, customer, city, state, product, category, quantity, price, freight, rng.choice(PAYMENTS),
        ordered, promised, delivered, score, sentiment, complaint, text,
    )  # fmt: skip


def _score(delay: int, rng: Random) -> int:
    return rng.choices((1, 2, 3, 4, 5), (4, 3, 2, 1, 1) if delay > 2 else (1, 1, 2, 4, 6))[0]


def _complaint(delay: int, rng: Random) -> str:
    """A delayed order is complained of for its delay, another one never is."""
    return (
        "delivery"
        if delay > 2
        else rng.choice([complaint for complaint in COMPLAINTS if complaint != "delivery"])
    )


SCHEMA = """\
orders(order_id INTEGER, customer VARCHAR, city VARCHAR, state VARCHAR, product VARCHAR, category VARCHAR, quantity INTEGER,
       price DECIMAL(10,2), freight DECIMAL(10,2), payment VARCHAR, ordered DATE, promised DATE, delivered DATE)
reviews(order_id INTEGER, score INTEGER, sentiment VARCHAR, complaint VARCHAR, review VARCHAR)
orders_enriched: orders com score, sentiment, complaint, review, total (price * quantity + freight)
       e delay_days (NULL se
não entregue)"""
"""What a prompt shows of the tables."""
_TABLES = """\
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, customer VARCHAR, city VARCHAR, state VARCHAR, product VARCHAR, category VARCHAR,
  quantity INTEGER, price DECIMAL(10,2), freight DECIMAL(10,2), payment VARCHAR, ordered DATE, promised DATE, delivered DATE);
CREATE TABLE reviews (order_id INTEGER, score INTEGER, sentiment VARCHAR, complaint VARCHAR, review VARCHAR);
"""
_VIEW = """
CREATE VIEW orders_enriched AS SELECT o.*, r.score, r.sentiment, r.complaint, r.review,
  (o.price * o.quantity + o.freight)::DECIMAL(12,2) AS total,
  CASE WHEN o.delivered IS NOT NULL THEN greatest(0, date_diff('day', o.promised, o.delivered)) END AS delay_days
FROM orders o LEFT JOIN reviews r USING (order_id);
"""


def setup(rows: list[Order]) -> str:
    """SQL that makes the tables and the view and fills them."""
    orders_sql = ",\n".join(_values(row[:13]) for row in rows)
    reviews = [
        (row.order_id, row.score, row.sentiment, row.complaint, row.text)
        for row in rows
        if row.score
    ]
    reviews_sql = ",\n".join(map(_values, reviews))
    filled = f"INSERT INTO reviews VALUES\n{reviews_sql};" if reviews else ""
    return f"{_TABLES}INSERT INTO orders VALUES\n{orders_sql};\n{filled}{_VIEW}"


def _values(row: tuple[object, ...]) -> str:
    return f"({', '.join(_literal(value) for value in row)})"


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, (int, Decimal)):
        return str(value)
    text = value.isoformat() if isinstance(value, dt.date) else str(value).replace("'", "''")
    return f"'{text}'"


def brl(amount: Decimal) -> str:
    """``1.234,50``, without the sign of the currency."""
    return f"{amount:,.2f}".translate(str.maketrans(",.", ".,"))


def day(date: dt.date) -> str:
    """``12/03/2025``."""
    return f"{date:%d/%m/%Y}"


def named(product: str) -> str:
    """With its article: ``o fone bluetooth``."""
    return f"{PRODUCTS[product][2]} {product}"
