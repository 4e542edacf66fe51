"""Images: sources, downloads, archives, and how they are loaded.

Nothing here knows of models, or of a study beyond the dataset that it names.
"""
