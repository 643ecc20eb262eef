"""The pieces of a Fourier transform of real audio, each short enough to be one of many in a block.

A window of 2P real frames is packed into P complex numbers (even frames are real parts, odd ones imaginary parts),
transformed by log2(P) passes, and unpacked into the P + 1 bins of its spectrum; the way back is the same in reverse.
Arrays are float64: the real parts, then the imaginary parts.

References
----------
W. H. Press et al., Numerical Recipes, 3rd edition, section 12.3: two real transforms in one complex one.
P. N. Swarztrauber, "FFT algorithms for vector computers", Parallel Computing 1, 1984: the passes (Stockham).
"""

import numpy as np
from numba import njit

from fxhost.arrays import Float64Array

piece = njit(error_model="numpy", forceinline=True)


def twiddles(size: int) -> tuple[Float64Array, Float64Array]:
    """exp(−2πi k ÷ size) for k below half the size, which the passes need, and exp(−πi k ÷ size), which packing needs.

    Parameters
    ----------
    size : int
        P, a power of four, so that an even number of passes leaves the result where the packed window was.

    Returns
    -------
    passes : float64 (2, size ÷ 2)
    packing : float64 (2, size + 1)
        Real parts, imaginary parts.
    """
    passes = np.exp(-2j * np.pi * np.arange(size // 2) / size)
    packing = np.exp(-1j * np.pi * np.arange(size + 1) / size)
    return np.stack([passes.real, passes.imag]), np.stack([packing.real, packing.imag])


@piece
def butterflies(
    source: Float64Array,
    target: Float64Array,
    passes: Float64Array,
    size: int,
    stride: int,
    first: int,
    last: int,
    real: int,
    imaginary: int,
) -> None:
    """Some of the size ÷ 2 butterflies of a pass. The pass number t has the stride 2ᵗ.

    `real` and `imaginary` are where those parts begin: exchanged, the transform is the inverse one times its size.
    """
    half = size // 2
    at = first
    while at < last:
        p, q = at // stride, at % stride
        count = min(stride - q, last - at)
        w, v = passes[p * stride], passes[half + p * stride]
        to = at + p * stride
        for n in range(count):
            a, b = source[real + at + n], source[imaginary + at + n]
            c, d = source[real + at + half + n], source[imaginary + at + half + n]
            target[real + to + n] = a + c
            target[imaginary + to + n] = b + d
            target[real + to + stride + n] = (a - c) * w - (b - d) * v
            target[imaginary + to + stride + n] = (a - c) * v + (b - d) * w
        at += count


@piece
def unpack(packed: Float64Array, bins: Float64Array, packing: Float64Array, size: int, first: int, last: int) -> None:
    """Some bins of the spectrum of a real window, from the transform of the packed one."""
    for k in range(first, last):
        i, j = k & (size - 1), (size - k) & (size - 1)
        a, b, c, d = packed[i], packed[size + i], packed[j], -packed[size + j]
        even, even_i, odd, odd_i = 0.5 * (a + c), 0.5 * (b + d), 0.5 * (b - d), -0.5 * (a - c)
        w, v = packing[k], packing[size + 1 + k]
        bins[k] = even + odd * w - odd_i * v
        bins[size + 1 + k] = even_i + odd * v + odd_i * w


@piece
def repack(bins: Float64Array, packed: Float64Array, packing: Float64Array, size: int, first: int, last: int) -> None:
    """Some of the packed numbers whose inverse transform is a real window, from its spectrum."""
    for k in range(first, min(last, size)):
        a, b, c, d = bins[k], bins[size + 1 + k], bins[size - k], -bins[size + 1 + size - k]
        even, even_i = 0.5 * (a + c), 0.5 * (b + d)
        w, v = packing[k], -packing[size + 1 + k]
        odd, odd_i = 0.5 * ((a - c) * w - (b - d) * v), 0.5 * ((a - c) * v + (b - d) * w)
        packed[k] = even - odd_i
        packed[size + k] = even_i + odd
