"""From images and latents to numbers.

No tables and no verdicts here.
"""
