"""The section `data` of a recipe: the data set, its split, its transform, and settings for each kind of data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from zoo.errors import ZooError
from zoo.parts import AUGMENTS
from zoo.recipes.base import Count, Fraction, NotNegative, Positive, Strict
from zoo.recipes.explain import unknown_key
from zoo.recipes.of_kinds import add_sections, with_sections
from zoo.recipes.own import Columns, File, Parting
from zoo.recipes.plugged import read

PREFIXES = ("file:", "imagefolder:", "hf:", "memory:")
"""The beginnings of addresses of the user's own data."""
PICTURES = ("size", "fit", "channels", "workers", "mean", "std", "augment")
"""The keys of `data` that are only for pictures."""


class Crop(Strict):
    """Pad and cut a window of the old size at a random place."""

    padding: Count = 4
    mode: Literal["constant", "reflect"] = "constant"


class Flip(Strict):
    """Mirror left to right with probability p; with `alternate` only the first epoch draws, and each later epoch
    mirrors the images that the epoch before did not."""

    p: Annotated[float, Field(ge=0, le=1)] = 0.5
    alternate: bool = False


class Affine(Strict):
    """Rotation and shear in ± degrees, shift in ± parts of the side, zoom of 1 ± scale."""

    degrees: Annotated[float, Field(ge=0, le=180)] = 0.0
    translate: Annotated[float, Field(ge=0, le=1)] = 0.0
    scale: Fraction = 0.0
    shear: Annotated[float, Field(ge=0, lt=90)] = 0.0


class Elastic(Strict):
    """Smooth random displacements with standard deviation alpha and correlation length sigma, in pixels."""

    alpha: NotNegative = 1.0
    sigma: Positive = 4.0


class Cutout(Strict):
    """A square of size pixels set to the mean."""

    size: Count = 8


class Erase(Strict):
    """With probability p a rectangle of noise on a part of the image from the range `area`, up to `ratio` times as high
    as wide or as wide as high."""

    p: Annotated[float, Field(ge=0, le=1)] = 0.5
    area: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2)] = [0.02, 0.33]
    ratio: Annotated[float, Field(ge=1, le=100)] = 3.3

    @field_validator("area")
    @classmethod
    def _in_order(cls, area: list[float]) -> list[float]:
        if area[0] > area[1]:
            raise ValueError(f"the smallest part {area[0]} is above the largest {area[1]}; swap them")
        return area


class Mixup(Strict):
    """Blend pairs of samples by a Beta(alpha, alpha) weight."""

    alpha: Annotated[float, Field(gt=0, le=2)] = 0.2


class ResizedCrop(Strict):
    """A window of a random share of the picture within `area`, of aspect ratio up to `ratio`, resized to the whole."""

    area: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=2, max_length=2)] = [0.35, 1.0]
    ratio: Annotated[float, Field(ge=1)] = 4 / 3


class Jitter(Strict):
    """Other light: brightness, contrast and saturation, each multiplied by 1 ± its value."""

    brightness: Fraction = 0.2
    contrast: Fraction = 0.2
    saturation: Fraction = 0.2


class TrivialAugment(Strict):
    """One operation of torchvision's for each picture, such as another light or a rotation, of a strength drawn from
    `bins`; it needs no tuning."""

    bins: Annotated[int, Field(ge=2)] = 31


class RandAugment(Strict):
    """`operations` random operations of torchvision's for each picture, all of one `magnitude`, 0 to 30."""

    operations: Count = 2
    magnitude: Annotated[int, Field(ge=0, le=30)] = 9


class Cutmix(Strict):
    """A window of another sample put into each, labels blended by area; its share is drawn from Beta(alpha, alpha)."""

    alpha: Annotated[float, Field(gt=0, le=2)] = 1.0


class Progressive(Strict):
    """Train on images of `size` pixels at first, growing by `step` to the full size at `until` of the training."""

    size: Count
    step: Count = 4
    until: Annotated[float, Field(gt=0, lt=1)] = 0.5

    def size_at(self, progress: float, full: int) -> int:
        """The side in pixels when `progress` in [0, 1) of the training is done and images have `full` pixels a side."""
        stages = list(range(self.size, full, self.step))
        stage = int(progress / self.until * len(stages))
        return stages[stage] if stage < len(stages) else full


class Augment(Strict):
    """Augmentations of image batches, each off unless given."""

    # Plug-ins' augmentations are not fields; the schema for editors has only the zoo's own.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})

    crop: Crop | None = None
    flip: Flip | None = None
    affine: Affine | None = None
    elastic: Elastic | None = None
    cutout: Cutout | None = None
    erase: Erase | None = None
    mixup: Mixup | None = None
    resized_crop: ResizedCrop | None = None
    jitter: Jitter | None = None
    cutmix: Cutmix | None = None
    trivial_augment: TrivialAugment | None = None
    rand_augment: RandAugment | None = None
    progressive: Progressive | None = None

    @model_validator(mode="before")
    @classmethod
    def _of_plug_ins(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        found = {key: value for key, value in content.items() if key in cls.model_fields}
        for key, value in content.items():
            if key not in found and value is not None:
                path = f"data.augment.{key}"
                if (part := AUGMENTS.outside(key)) is None:
                    raise ZooError(unknown_key(path, AUGMENTS.names()))
                found[key] = read(part, Strict, path, value, named=False)
        return found


class Data(Strict):
    """The data set, its split and its transform; `mean` and `std`: one value or one a channel, on the scale 0 to 1.

    `name` is one of the zoo's data sets, or an address of your own data: `file:PATH` (a file, or a folder with train
    and test files), `imagefolder:PATH` (pictures), `hf:OWNER/NAME[@REVISION]`. For your own data, `columns` says what
    each column is and `split` how they are split; `files` holds their hashes once they were read, and then `name` has
    no path. Pictures are resized to `size`, [height, width] or one number for both (`fit` crop keeps their aspect ratio
    and cuts the middle out), and read by this number of `workers` during the training. `channels` shows grey images as
    three equal channels, or colours as grey.
    """

    name: str
    files: dict[str, File] | None = None
    columns: Columns | None = None
    split: Parting | None = None
    batch_size: Count = 128
    validation: Fraction = 0.0
    size: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None
    fit: Literal["squash", "crop"] = "squash"
    channels: Literal[1, 3] | None = None
    workers: Annotated[int, Field(ge=0)] = 0
    mean: Annotated[list[float], Field(min_length=1)] = [0.0]
    std: Annotated[list[Positive], Field(min_length=1)] = [1.0]
    augment: Augment = Augment()
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """A section of a kind of data, such as `text`."""

    # The sections of the kinds of data are not fields: each is defined with its kind, a plug-in's with the plug-in.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow", json_schema_extra=add_sections)

    @model_validator(mode="before")
    @classmethod
    def _of_kinds(cls, content: Any) -> Any:
        return with_sections(content, cls.model_fields) if isinstance(content, dict) else content

    @field_validator("size", mode="before")
    @classmethod
    def _one_side(cls, value: object) -> object:
        return [value, value] if type(value) is int else value

    @model_validator(mode="after")
    def _for_one_s_own(self) -> Data:
        if not self.name.startswith(PREFIXES):
            for key in ("files", "columns", "split"):
                if getattr(self, key) is not None:
                    raise ValueError(f"should hold {key} for an address such as file:PATH alone, not for {self.name!r}")
        return self
