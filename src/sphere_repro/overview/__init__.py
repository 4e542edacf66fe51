"""A study's results as one page: verdict, claims, tables, figures, notebooks.

Reads result files only: no model runs here, nothing is drawn, and no number is made.
"""

from pathlib import Path

LOOK = Path(__file__).parent / "look.css"  # the style that pages share
