"""One module per verb of the command line: its options, and what it does with them.

What is computed lives in the packages below: a module here reads the job, calls them, writes the record and
says in one line what was done. All of them are loaded for the help, so that what is heavy (torch, pydantic,
NumPy) is imported when the verb runs and not before. Several share `verb`, `job`, `files` and `records`.
"""
