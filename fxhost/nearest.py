"""What a mistyped word was meant to be: the known word nearest to it, if any is near."""

from collections.abc import Iterable

SHORT, LONG = 4, 9  # letters of a word in which one slip is taken for a mistype, and from which on three are


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that differs by the fewest slips, or begins with nearly the given one; None if none is near.

    Parameters
    ----------
    word : str
        As it was typed; its case makes no difference.
    known : iterable of str
        Of words that are as near, the first is taken.

    Examples
    --------
    >>> find_nearest("trian", ["run", "train"])
    'train'
    >>> find_nearest("blok", ["loopback", "block-frames"])
    'block-frames'
    >>> find_nearest("device", ["level", "gate"])
    """
    typed = word.casefold()
    most = 1 if len(typed) <= SHORT else 2 if len(typed) < LONG else 3
    found, fewest = None, float(min(most + 1, len(typed)))
    for candidate in known:
        whole = candidate.casefold()
        if typed[:1] not in whole[:2]:  # the first letter is seldom the wrong one
            continue
        slips = _count_slips_or_missing(typed, whole)
        if slips < fewest:
            found, fewest = candidate, slips
    return found


def _count_slips_or_missing(typed: str, whole: str) -> float:
    """The slips, or one and a half if only the rest of the word is missing and its beginning has one slip or none."""
    slips: float = count_slips(typed, whole)
    if len(typed) >= SHORT and any(count_slips(typed, whole[: len(typed) + more]) <= 1 for more in (-1, 0, 1)):
        slips = min(slips, 1.5)
    return slips


def count_slips(one: str, other: str) -> int:
    """How many letters were left out, put in, mistaken or swapped with their neighbours between two words.

    Examples
    --------
    >>> count_slips("rnu", "run"), count_slips("overdrve", "overdrive")
    (1, 1)
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for n, letter in enumerate(one, 1):
        before, last, row = row, before, [n]
        for k, wanted in enumerate(other, 1):
            slips = min(before[k] + 1, row[k - 1] + 1, before[k - 1] + (letter != wanted))
            if last and k > 1 and letter == other[k - 2] and one[n - 2] == wanted:
                slips = min(slips, last[k - 2] + 1)
            row.append(slips)
    return row[-1]
