"""UserError: what went wrong and what to do about it, in words for the person at the terminal."""


class UserError(Exception):
    """A mistake or a lack that its reader can mend; commands print it without a traceback.

    Messages read `[where] expected X, found Y.` and then the remedy. Each subclass also derives
    from the built-in exception that fits, so that library callers can catch that.
    """
