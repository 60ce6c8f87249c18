"""Select the object under a click, with OpenCV's GrabCut.

GrabCut separates the colours inside a first guess from those outside it, so its result depends on
the guess. It is run from several: the pixels nearest to the clicks, in several sizes and by two
distances, along straight lines and along paths around edges. The result whose outline looks most
like an object's is taken: edges all along it, few notches, and rather large than small.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.ndimage
from jaxtyping import Bool, Float64, UInt8

from flows import nearest

_GUESSING, _CUTTING = 240, 1000  # longer side of the picture, pixels, while guessing and cutting
_SMALLEST = 16  # side of the picture, pixels
_FIRST = 120  # longer side, pixels, for a first outline at once
_SHARES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.4)  # of the picture, for a first guess
_FEW = (0.03, 0.2)  # the same for a first outline
_ALONG_EDGES = 0.15  # cost of a step in flat areas; a step on an edge of mean strength costs 1 more
_NO_EDGE = 1e-3  # least value of the mean edge strength, for pictures of one colour
_SURE = 1.5  # radius of a click that is certain foreground, pixels of the guessing size
_CLEAR = 3.0  # mean edges; such an edge scores 1/2. Saturates: no strong edge makes up for a gap
_LARGER_IS_BETTER = 0.1  # power of the area in an outline's score: a cup rather than its highlight
_BAND = 2  # half width of the band that is cut again at the larger size, guessing-size pixels


_NO_CLICKS = np.zeros((0, 2))


def select(
    image: UInt8[np.ndarray, "h w 3"],
    clicks: Float64[np.ndarray, "n 2"],
    away: Float64[np.ndarray, "m 2"] = _NO_CLICKS,
) -> Bool[np.ndarray, "h w"]:
    """Select the object, or the objects, under all clicks; the mask is True on them.

    Deterministic. Takes a few seconds on one core.

    Args:
        image: RGB.
        clicks: (x, y) in pixels, inside the picture.
        away: (x, y) of what is not a part of the object.

    Raises:
        ValueError: the picture is smaller than 16 pixels a side.
    """
    best = _guess(image, clicks, away, _GUESSING, _SHARES)
    sharp, at = _shrunk(image, clicks, _CUTTING)
    band = _BAND * max(sharp.shape) / _GUESSING + _BAND
    start = _near_outline(_resized(best, sharp.shape[:2]), band)
    return _resized(_cut(sharp, start, at, rounds=2), image.shape[:2])


def first(
    image: UInt8[np.ndarray, "h w 3"],
    clicks: Float64[np.ndarray, "n 2"],
    away: Float64[np.ndarray, "m 2"] = _NO_CLICKS,
) -> Bool[np.ndarray, "h w"]:
    """Select as `select` does, but coarsely: to show something while that computes.

    Takes some tenths of a second on one core. Arguments and errors are those of `select`.
    """
    return _resized(_guess(image, clicks, away, _FIRST, _FEW), image.shape[:2])


def _guess(
    image: np.ndarray,
    clicks: np.ndarray,
    away: np.ndarray,
    longest: int,
    shares: Sequence[float],
) -> Bool[np.ndarray, "_ _"]:
    """The likeliest object under the clicks, in the picture scaled to `longest` pixels a side.

    Of it, what is nearer to a point of `away` than to the clicks is left out.
    """
    height, width, _ = image.shape
    if min(height, width) < _SMALLEST:
        raise ValueError(f"the picture has {width}x{height} pixels; expected {_SMALLEST} a side")
    small, at = _shrunk(image, clicks, longest)
    edges, others = _edges(small), _shrunk(image, away, longest)[1]
    cuts = [_cut(small, start, at, rounds=4) for start in _starts(edges, at, shares)]
    best = max(cuts, key=lambda cut: _score(cut, edges))
    taken = [point for point in others if best[point]]
    if not taken:
        return best
    nearer = _around_edges(edges, at) <= _around_edges(edges, taken)
    pieces, _ = scipy.ndimage.label(best & nearer)
    return np.isin(pieces, [pieces[point] for point in at if best[point]])


def _straight(shape: tuple[int, ...], at: Sequence[tuple[int, int]]) -> Float64[np.ndarray, "h w"]:
    """Distance of every pixel from the points, along straight lines."""
    far = np.ones(shape)
    far[tuple(np.transpose(at))] = 0
    return np.asarray(scipy.ndimage.distance_transform_edt(far))


def _around_edges(edges: np.ndarray, at: Sequence[tuple[int, int]]) -> Float64[np.ndarray, "h w"]:
    """Distance of every pixel from the points, along paths around edges."""
    from skimage.graph import MCP_Geometric

    steps = _ALONG_EDGES + edges / max(float(edges.mean()), _NO_EDGE)
    distance, _ = MCP_Geometric(steps).find_costs(list(at))
    return np.asarray(distance)


def _shrunk(
    image: np.ndarray, clicks: np.ndarray, longest: int
) -> tuple[UInt8[np.ndarray, "h w 3"], list[tuple[int, int]]]:
    """The picture scaled to at most `longest` pixels a side, and the clicks' (row, column) in it.

    The shorter side keeps at least 16 pixels.
    """
    import cv2

    height, width, _ = image.shape
    factor = min(1.0, max(longest / max(height, width), _SMALLEST / min(height, width)))
    size = (max(_SMALLEST, round(factor * width)), max(_SMALLEST, round(factor * height)))
    small: np.ndarray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    ratio = np.array([size[0] / width, size[1] / height])
    at = np.floor((clicks + 0.5) * ratio).astype(int).clip(0, np.array(size) - 1)
    return small, [(y, x) for x, y in at.tolist()]


def _edges(image: np.ndarray) -> Float64[np.ndarray, "h w"]:
    """Edge strength at every pixel: length of the colour gradient in CIELAB."""
    import cv2

    lab: np.ndarray = cv2.cvtColor(image, cv2.COLOR_RGB2LAB).astype(np.float64)
    lab = scipy.ndimage.gaussian_filter(lab, (1, 1, 0))
    slopes = [scipy.ndimage.sobel(lab, axis) / 8 for axis in (0, 1)]
    return np.asarray(np.sqrt(sum((slope**2).sum(-1) for slope in slopes)))


def _starts(
    edges: np.ndarray, at: Sequence[tuple[int, int]], shares: Sequence[float]
) -> Iterator[UInt8[np.ndarray, "h w"]]:
    """Yield first guesses for GrabCut, as its label maps; the clicks are certain foreground."""
    import cv2

    straight = _straight(edges.shape, at)
    for distance in (_around_edges(edges, at), straight):
        for share in shares:
            near = distance <= np.quantile(distance, share)
            start = np.where(near, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
            start[straight <= _SURE] = cv2.GC_FGD
            yield start


def _cut(
    image: np.ndarray, start: np.ndarray, at: Sequence[tuple[int, int]], rounds: int
) -> Bool[np.ndarray, "h w"]:
    """Run GrabCut; return the connected pieces that contain a click, with their holes filled.

    Holes in which there is certain background stay.
    """
    import cv2

    labels = start.copy()
    selected = _is_inside(labels)
    if selected.any() and not selected.all():  # otherwise there is nothing to separate
        unused, models = (0, 0, 1, 1), np.zeros((2, 1, 65))
        cv2.setRNGSeed(0)
        cv2.grabCut(image, labels, unused, models[0], models[1], rounds, cv2.GC_INIT_WITH_MASK)
        selected = _is_inside(labels)
    pieces, _ = scipy.ndimage.label(selected)
    clicked = {int(pieces[where]) for where in at} - {0}
    found = np.isin(pieces, list(clicked))
    filled = np.asarray(scipy.ndimage.binary_fill_holes(found))
    holes, _ = scipy.ndimage.label(filled & ~found)
    return filled & ~np.isin(holes, np.setdiff1d(holes[start == cv2.GC_BGD], 0))


def _is_inside(labels: np.ndarray) -> Bool[np.ndarray, "h w"]:
    import cv2

    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def _score(selected: np.ndarray, edges: np.ndarray) -> float:
    """Score of a selection: that of its worst connected piece (`_likeness`); 0 if it is empty."""
    pieces, count = scipy.ndimage.label(selected)
    return min((_likeness(pieces == piece, edges) for piece in range(1, count + 1)), default=0.0)


def _likeness(piece: np.ndarray, edges: np.ndarray) -> float:
    """How much a piece looks like an object: edge strength along its outline, mean of [0, 1].

    Times its share of its convex hull, times its share of the picture to the power of 0.1. The
    outline scores 0 where it lies on the picture's border.
    """
    import cv2

    outline = piece & ~scipy.ndimage.binary_erosion(piece)
    inner = np.pad(np.ones(np.subtract(piece.shape, 2), bool), 1)
    contrast = np.where(inner, scipy.ndimage.maximum_filter(edges, 3), 0)[outline]
    half = _CLEAR * max(float(edges.mean()), _NO_EDGE)
    clear = (contrast / (contrast + half)).mean()
    y, x = np.nonzero(piece)
    hull = np.zeros(piece.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.stack([x, y], axis=-1).astype(np.int32)), 1)
    solidity = piece.sum() / hull.sum()
    return float(clear * solidity * piece.mean() ** _LARGER_IS_BETTER)


def _near_outline(selected: np.ndarray, band: float) -> UInt8[np.ndarray, "h w"]:
    """GrabCut label map in which only pixels within `band` pixels of the outline are undecided."""
    import cv2

    inside, outside = nearest.distance(~selected), nearest.distance(selected)
    start = np.where(selected, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    start[inside > band] = cv2.GC_FGD
    start[outside > band] = cv2.GC_BGD
    return start


def _resized(selected: np.ndarray, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    import cv2

    size = (shape[1], shape[0])
    enlarged: np.ndarray = cv2.resize(selected.astype(np.float32), size)
    return enlarged >= 0.5
