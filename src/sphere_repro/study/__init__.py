"""What a study may say, and the jobs that follow from it.

No torch here, and no file is read but the study itself.
"""
