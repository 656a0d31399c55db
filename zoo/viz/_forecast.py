"""A forecast beside the true values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from zoo.viz._figure import new
from zoo.viz._which import predictor_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from zoo._predictor import Predictor
    from zoo.viz._which import Weight

MOST = 8  # channels shown


def forecast(name: Weight, raw: Any = None) -> Figure:
    """The forecast of each channel, in its own unit, beside the values before it and the true ones.

    Args:
        name: a weight, a model (its default weight), a bundle or run folder, or a predictor.
        raw: a series as `zoo.predictor` takes it. If it is long enough, its last rows, as many as the horizon, are
            kept back as the truth, and the forecast begins before them; for a shorter one there is no truth to show.
            By default it is the end of the recipe's test split, which is fetched if it is not at hand.

    At most 8 channels are shown, and a past of at most twice the horizon. Raises `ZooError` as `zoo.predictor` does.

        >>> viz.save(viz.forecast("gru_forecast", numpy.random.rand(480, 7)), "forecast.png")
    """
    from zoo.kinds.series import read

    ask = predictor_of(name, "forecast")
    context, horizon, channels = (ask.input[key] for key in ("context", "horizon", "channels"))
    rows = _test(ask) if raw is None else read(raw, channels)[1]
    told = len(rows) >= context + horizon
    before, truth = (rows[:-horizon], rows[-horizon:]) if told else (rows, None)
    ahead = ask(before).answer
    before = before[-min(context, 2 * horizon) :]
    count = min(MOST, len(channels))
    lines, columns = (math.ceil(count / 2), 2) if count > 1 else (1, 1)
    where = "at the end of the test split" if raw is None else "of the series given"
    title = f"{ask.record.weight}: {horizon} rows {where}"
    figure = new(8, 1 + 1.5 * lines, title)
    panels = list(figure.subplots(lines, columns, squeeze=False).flat)
    for place, (axes, channel) in enumerate(zip(panels, channels[:count], strict=False)):
        axes.plot(range(-len(before), 0), before[:, place], color="gray", linewidth=1, label="before")
        off = ""
        if truth is not None:
            axes.plot(range(horizon), truth[:, place], color="black", linewidth=1, label="truth")
            off = f", off by {float((ahead[:, place] - truth[:, place]).abs().mean()):.3g} on average"
        axes.plot(range(horizon), ahead[:, place], color="tab:red", linewidth=1.5, label="forecast")
        axes.set_title(f"{channel}{off}", fontsize=9, parse_math=False)
        axes.tick_params(labelsize=8)
        axes.grid(alpha=0.3)
    for axes in panels[count:]:
        axes.set_axis_off()
    figure.supylabel("each channel in its own unit", fontsize=9)
    figure.supxlabel("rows after the first of the forecast", fontsize=9)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower right", ncols=3, fontsize=8)
    return figure


def _test(ask: Predictor[Any]) -> Tensor:
    """The rows (T, C) of the series that the weight's recipe is measured on, from its beginning."""
    from zoo.opened import Opened

    return Opened(ask.bundle).data.test.inputs
