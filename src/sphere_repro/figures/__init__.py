"""Figures of a study; each module reads result files and draws one kind of figure."""
