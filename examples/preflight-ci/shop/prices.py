"""What things cost."""


def gross(net: int, percent: int = 19) -> int:
    """The price with tax, in cents, rounded to the nearest."""
    return net + (net * percent + 50) // 100
