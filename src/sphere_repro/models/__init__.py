"""Encoder, decoder and VAE, their files, and released checkpoints.

How they are trained or sampled is said elsewhere.
"""
