"""From a prepared archive to a model file.

What a training will cost is said in `planning`.
"""
