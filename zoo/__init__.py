"""A PyTorch model zoo in which every pretrained weight can be grown again from its recipe.

The public names below are imported when they are first used, so that `import zoo` is fast.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo._create import create as create
    from zoo._evaluate import evaluate as evaluate
    from zoo._export import Export as Export
    from zoo._export import export as export
    from zoo._features import embed as embed
    from zoo._features import transform as transform
    from zoo._predictor import Predictor as Predictor
    from zoo._predictor import predictor as predictor
    from zoo._pull import pull as pull
    from zoo._reproduce import Reproduction as Reproduction
    from zoo._reproduce import reproduce as reproduce
    from zoo._verify import Verification as Verification
    from zoo._verify import verify as verify
    from zoo.bundles.record import Model as Model
    from zoo.bundles.record import Record as Record
    from zoo.bundles.record import record as record
    from zoo.catalog import ModelInfo as ModelInfo
    from zoo.catalog import info as info
    from zoo.catalog import list_models as list_models
    from zoo.catalog import list_weights as list_weights
    from zoo.data import register_data as register_data
    from zoo.errors import ZooError as ZooError
    from zoo.init import register_init as register_init
    from zoo.kinds import register_kind as register_kind
    from zoo.parts import register_augment as register_augment
    from zoo.parts import register_loss as register_loss
    from zoo.parts import register_metric as register_metric
    from zoo.parts import register_optimizer as register_optimizer
    from zoo.parts import register_schedule as register_schedule
    from zoo.publishing import publish as publish
    from zoo.recipes import Recipe as Recipe
    from zoo.recipes import list_recipes as list_recipes
    from zoo.recipes import load_recipe as load_recipe
    from zoo.registry import register_model as register_model
    from zoo.tasks import register_task as register_task
    from zoo.tasks.classification import Classification as Classification
    from zoo.tasks.classification import Top as Top
    from zoo.tasks.forecasting import Forecast as Forecast
    from zoo.tasks.language_modelling import Continuation as Continuation
    from zoo.tasks.metric_learning import Embedding as Embedding
    from zoo.tasks.multi_task import Several as Several
    from zoo.tasks.regression import Value as Value
    from zoo.tasks.token_classification import Tag as Tag
    from zoo.tasks.token_classification import Tagging as Tagging
    from zoo.training import Run as Run
    from zoo.training import train as train

    __version__: str

_HOME = {
    "Classification": "zoo.tasks.classification",
    "Continuation": "zoo.tasks.language_modelling",
    "Embedding": "zoo.tasks.metric_learning",
    "Export": "zoo._export",
    "Forecast": "zoo.tasks.forecasting",
    "Model": "zoo.bundles.record",
    "ModelInfo": "zoo.catalog",
    "Predictor": "zoo._predictor",
    "Recipe": "zoo.recipes",
    "Record": "zoo.bundles.record",
    "Reproduction": "zoo._reproduce",
    "Run": "zoo.training",
    "Several": "zoo.tasks.multi_task",
    "Tag": "zoo.tasks.token_classification",
    "Tagging": "zoo.tasks.token_classification",
    "Top": "zoo.tasks.classification",
    "Value": "zoo.tasks.regression",
    "Verification": "zoo._verify",
    "ZooError": "zoo.errors",
    "create": "zoo._create",
    "embed": "zoo._features",
    "evaluate": "zoo._evaluate",
    "export": "zoo._export",
    "info": "zoo.catalog",
    "list_models": "zoo.catalog",
    "list_recipes": "zoo.recipes",
    "list_weights": "zoo.catalog",
    "load_recipe": "zoo.recipes",
    "predictor": "zoo._predictor",
    "publish": "zoo.publishing",
    "pull": "zoo._pull",
    "record": "zoo.bundles.record",
    "register_augment": "zoo.parts",
    "register_data": "zoo.data",
    "register_init": "zoo.init",
    "register_kind": "zoo.kinds",
    "register_loss": "zoo.parts",
    "register_metric": "zoo.parts",
    "register_model": "zoo.registry",
    "register_optimizer": "zoo.parts",
    "register_schedule": "zoo.parts",
    "register_task": "zoo.tasks",
    "reproduce": "zoo._reproduce",
    "train": "zoo.training",
    "transform": "zoo._features",
    "verify": "zoo._verify",
}

__all__ = [*_HOME]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value = _version()
    elif name in _HOME:
        from zoo.errors import needing

        with needing():
            value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """From pyproject.toml in a checkout and in a torch.hub archive, else that of the installed distribution."""
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path
    from re import search

    project = Path(__file__).parents[1] / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    if 'name = "reprozoo"' in text and (found := search(r'(?m)^version = "(.+)"', text)):
        return found[1]
    try:
        return version("reprozoo")
    except PackageNotFoundError:
        return "unknown"


class _WhenTimmComes:
    """A module finder that finds timm as the others do, and registers our models with timm once it is imported."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "timm":
            return None
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, found), None)
        if spec is not None and spec.loader is not None:
            load: Any = spec.loader.exec_module

            def load_and_offer(module: Any) -> None:
                load(module)
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                _offer_to_timm()

            spec.loader.exec_module = load_and_offer  # type: ignore[method-assign]
        return spec


def _offer_to_timm() -> None:
    try:
        import_module("zoo.models.in_timm").offer_all()
    except Exception as error:  # an error here must not break the import of timm or of the zoo
        from warnings import warn

        warn(f"the zoo's models could not be registered with timm ({type(error).__name__}: {error}).", stacklevel=2)


if sys.modules.get("timm"):
    _offer_to_timm()
else:
    sys.meta_path.insert(0, _WhenTimmComes())  # type: ignore[arg-type]
