"""Processes, devices, clusters and files: what a job needs of the machine it runs on.

Nothing here knows of images, models or studies.
"""
