"""Reproducibility harness for *Image Generation with a Sphere Encoder* (arXiv 2602.15030).

The package computes and knows neither Snakemake nor DVC: everything here also runs by hand, in a
notebook, or on a bare GPU machine.
"""

__version__ = "0.1.0"
