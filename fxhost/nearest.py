"""What a mistyped word was meant to be: the known word nearest to it, if any is near."""

from collections.abc import Iterable

PART = 1.5  # slips as which it counts that only a part is right
SHORT, LONG = 4, 9  # letters of a word in which one slip is taken for a mistype, and from which on three are


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """The first of the nearest known words, as `find_near`; None if none is near."""
    return next(iter(find_near(word, known)), None)


def find_near(word: str, known: Iterable[str]) -> list[str]:
    """The known words that are nearest: by the fewest slips, by a common beginning, or by one part between hyphens.

    Parameters
    ----------
    word : str
        As it was typed; its case makes no difference.
    known : iterable of str

    Examples
    --------
    >>> find_near("trian", ["run", "train"])
    ['train']
    >>> find_near("blok", ["loopback", "block-frames"]), find_near("blocksize", ["loopback", "block-frames"])
    (['block-frames'], ['block-frames'])
    >>> find_near("gain", ["input-gain-db", "output-gain-db", "gate"]), find_near("outfile", ["output-file", "record"])
    (['input-gain-db', 'output-gain-db'], ['output-file'])
    >>> find_near("device", ["level", "gate"])
    []
    """
    typed = word.casefold()
    most = 1 if len(typed) <= SHORT else 2 if len(typed) < LONG else 3
    limit = min(most + 0.5, len(typed) - 0.5)
    found: list[str] = []
    for candidate in known:
        whole = candidate.casefold()
        slips = PART if _shares_part(typed, whole) else limit + 1
        if typed[:1] in whole[:2]:  # the first letter is seldom the wrong one
            slips = min(slips, _count_slips_or_missing(typed, whole))
        if slips < limit:
            found, limit = [candidate], slips
        elif slips == limit:
            found.append(candidate)
    return found


def _shares_part(typed: str, whole: str) -> bool:
    """Whether what was typed is one part of a word with hyphens, begins with one, or is made of their beginnings."""
    parts = whole.split("-")
    if len(typed) < SHORT - 1:
        return False
    if typed in parts or (len(parts[0]) >= SHORT - (len(parts) == 1) and typed.startswith(parts[0])):
        return True
    return len(parts) > 1 and _is_made_of_beginnings(typed.replace("-", ""), parts)


def _is_made_of_beginnings(typed: str, parts: list[str]) -> bool:
    """Whether two letters or more of the beginning of each part, one after the other, are what was typed."""
    if not parts:
        return not typed
    return any(
        parts[0].startswith(typed[:taken]) and _is_made_of_beginnings(typed[taken:], parts[1:])
        for taken in range(2, min(len(typed), len(parts[0])) + 1)
    )


def _count_slips_or_missing(typed: str, whole: str) -> float:
    """The slips, or one and a half if only the rest of the word is missing and its beginning has one slip or none."""
    slips: float = count_slips(typed, whole)
    if len(typed) >= SHORT and any(count_slips(typed, whole[: len(typed) + more]) <= 1 for more in (-1, 0, 1)):
        slips = min(slips, PART)
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
