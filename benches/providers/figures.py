"""What was measured, in words and in tables."""

import statistics


def spread(values, digits=1, unit=""):
    """The median, and between what the others lie."""
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle}{unit} ({low}–{high})"


def milliseconds(seconds, digits=1):
    return spread([1000 * each for each in seconds], digits, " ms")


def difference(values, others):
    """How much more: the median of the differences of runs that followed each other."""
    return statistics.median(value - other for value, other in zip(values, others))


def ratios(values, others):
    return spread([value / other for value, other in zip(values, others)], 2)


def table(title, header, rows):
    print(f"{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)
