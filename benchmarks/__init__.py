"""Speed and memory as ratios against a peer, in one run: each file is a program that prints its
figures. ``record`` runs them, ``compare`` judges two runs, ``figures`` writes the page.
"""
