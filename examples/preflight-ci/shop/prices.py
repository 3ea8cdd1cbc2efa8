"""Prices."""


def gross(net: int, percent: int = 19) -> int:
    """The price with tax, in cents, rounded to the nearest cent."""
    return net + (net * percent + 50) // 100
