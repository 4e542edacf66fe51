"""The one error that is meant for people."""


class UserError(Exception):
    """Something the user can mend: says what is wrong, where, and what to do.

    The command line prints it as one sentence and leaves with exit status 2; no traceback.
    """
