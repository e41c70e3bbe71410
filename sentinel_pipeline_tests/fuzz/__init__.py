"""Inputs of people and models, made at random: nothing but a value or a named reason comes of them.

``make test`` runs a few of each, ``make fuzz`` many.
"""
