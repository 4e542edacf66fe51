"""A model to play with: a small page, and the answers that it asks for.

Nothing is drawn in another way than the verbs draw it, and nothing is written.
"""
