"""From result files to pictures: each module draws one kind of figure.

No model runs here, and no number is made that a result file does not hold.
"""
