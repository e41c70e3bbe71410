"""The critic: what a completion answers, whether it is right, and whether a row may be trained on.

``extract`` reads, ``score`` judges answers (for critic, benchmark and reward alike), ``label``
judges rows, ``repair_traces`` pairs failures with corrections, ``audit`` examines the scorers.
Nothing here runs a candidate: the sandbox does.
"""
