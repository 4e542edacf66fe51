"""What a study will cost, and what would fit.

Starts no job.
"""
