"""Encoder, decoder, VAE and plain autoencoder, their files, and released checkpoints.

How they are trained or sampled is said elsewhere.
"""
