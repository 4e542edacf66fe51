"""Where a result comes from: hashes, records, seals, and the chain between them.

It neither makes results nor judges them.
"""
