"""Shared by all pictures: a matplotlib figure without pyplot's global state, and a file that is written whole or not at
all."""

from __future__ import annotations

import io
import os
import textwrap
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ZooError
from zoo.home import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100  # pixels an inch: a letter of 9 points is 12 pixels high, so pictures are read at the size they are written

LETTERS = 12  # letters of a title that an inch holds


def new(width: float, height: float, title: str) -> Figure:
    """An empty figure, `width` by `height` inches. Raises `ZooError` if matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ZooError(
            "pictures need matplotlib, which is not installed; install it with `pip install 'reprozoo[viz]'`."
        ) from error
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)  # type: ignore[union-attr]  inches of air around axes
    FigureCanvasAgg(figure)
    # Here, and wherever text from outside is shown, a $ is a dollar.
    figure.suptitle(textwrap.fill(title, int(LETTERS * width)), fontsize=11, parse_math=False)
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write the figure as a PNG of `DPI` pixels an inch, whole or not at all.

    Raises `ZooError` for a name that does not end in .png, and if it cannot be written.

        >>> viz.save(viz.curves("mlp.digits_v1"), "curves.png")
    """
    target = Path(path).expanduser()
    if target.suffix.lower() != ".png":
        raise ZooError(f"{target} is not the name of a PNG file; give one that ends in .png.")
    content = io.BytesIO()
    with warnings.catch_warnings():
        # A letter that matplotlib's own font lacks is a box in the picture, which already shows it.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    try:
        target.parent.stat()  # no folder is made for a name that may be misspelt
        with replacing(target) as temporary:
            temporary.write_bytes(content.getvalue())
    except OSError as error:
        raise ZooError(f"{target} cannot be written ({error.strerror}); choose another file.") from error


def bare(axes: Axes) -> Axes:
    """Axes without ticks, for pictures without a scale."""
    axes.set_xticks([])
    axes.set_yticks([])
    return axes


def percent(share: float) -> str:
    """0.98765 as 98.8 %."""
    return f"{100 * share:.1f} %"
