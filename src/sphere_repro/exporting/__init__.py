"""A model for other programs: its networks as ONNX, checked against torch.

Noise and the sphere stay outside the networks: how images are drawn with them is the user's.
"""
