"""A model for other programs: its networks as ONNX, checked, and a page that runs them in a browser.

Noise and the sphere stay outside the networks: how images are drawn is the page's, or the user's.
"""
