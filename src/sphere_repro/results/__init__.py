"""From numbers to tables, claims, and the comparison with published ones.

Reads result files only; no torch, no pictures.
"""
