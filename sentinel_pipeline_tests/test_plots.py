"""Plots for Dagster's pages: inline images that can be read on a dark page as well."""

from __future__ import annotations

import base64
import re

from sentinel_pipeline.plots import Bar, curves, rate_bars


def test_a_plot_brings_its_own_ground_and_is_the_same_for_the_same_numbers() -> None:
    for drawn in (
        curves({"loss": [(1, 2.0), (2, 1.0)]}, "Loss", "step"),
        rate_bars([Bar("sft", 0.8, 0.7, 0.9)], "Pass@1", {"gate": 0.4}),
    ):
        (encoded,) = re.findall(r"data:image/svg\+xml;base64,([^)]+)", drawn)
        svg = base64.b64decode(encoded).decode()
        ground = svg[svg.index('id="patch_1"') :].partition("</g>")[0]
        assert "fill: #ffffff" in ground, "dark ink on a dark page could not be read"
        assert len(drawn) < 100_000, "Dagster shows no longer text"
    again = rate_bars([Bar("sft", 0.8, 0.7, 0.9)], "Pass@1", {"gate": 0.4})
    assert again == drawn
