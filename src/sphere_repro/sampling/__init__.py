"""From a model file to images and latents.

Nothing is judged here.
"""
