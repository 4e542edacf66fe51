"""The autoencoder of a study, and its shapes: Vision Transformers, tokens, latent (sections 1 and 2)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from sphere_repro.data.dataset import Dataset
from sphere_repro.data.hub import Pretrained
from sphere_repro.ledger import EACH, by_dataset, ledger
from sphere_repro.strict import Positive, Strict, is_none

TrainedKind = Literal["sphere", "vae", "autoencoder"]
Kind = Literal[TrainedKind, "pretrained-vae"]
KIND_NAMES: dict[str, str] = {
    "sphere": "a Sphere Encoder",
    "vae": "a VAE",
    "autoencoder": "a plain autoencoder",
    "pretrained-vae": "a pretrained VAE",
}
SizeName = Literal["small", "base", "large", "xlarge", "huge", "giant"]


MOST_CHANNELS = 65536
OF_PRETRAINED = ("source", "revision", "subfolder", "sha256")


class Size(Strict):
    """Width, depth and heads of one Vision Transformer."""

    width: int = Field(
        gt=0,
        le=MOST_CHANNELS,
        description="token width; divisible by 4 and by heads",
        json_schema_extra=ledger(
            unit="channels",
            section="networks",
            reason="a size by name is the paper's; numbers are for small models",
        ),
    )
    layers: int = Field(
        ge=0,
        le=1000,
        description="number of transformer blocks",
        json_schema_extra=ledger(unit="blocks", section="networks", reason="as width"),
    )
    heads: int = Field(
        gt=0,
        le=MOST_CHANNELS,
        description="attention heads; width/heads must be divisible by 4 (axial RoPE)",
        json_schema_extra=ledger(unit="heads", section="networks", reason="as width"),
    )

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.width % (4 * self.heads):
            raise ValueError(f"width {self.width} must be divisible by 4·heads = {4 * self.heads}")
        return self


SIZES: dict[str, Size] = {
    name: Size(width=width, layers=layers, heads=heads)
    for name, width, layers, heads in [
        ("small", 512, 8, 8),
        ("base", 768, 12, 12),
        ("large", 1024, 24, 16),
        ("xlarge", 1152, 28, 16),
        ("huge", 1280, 32, 16),
        ("giant", 1664, 40, 16),
    ]
}


class Architecture(Strict):
    """Everything that fixes the shapes of an autoencoder; travels inside its checkpoint (section 2)."""

    kind: TrainedKind = "sphere"
    image_size: int = Field(gt=0, description="H = W of the images, pixels")
    patch_size: int = Field(gt=0, description="p, pixels; divides the image size")
    token_channels: int = Field(gt=0, description="d, latent channels per token")
    classes: int = Field(ge=0, description="number of classes; 0 is unconditional")
    pixel_head: Literal["linear", "conv"]
    encoder: Size
    decoder: Size
    encoder_mixer_depth: int = Field(ge=0, le=1000)
    decoder_mixer_depth: int = Field(ge=0, le=1000)
    affine: bool = True

    @model_validator(mode="after")
    def _check_patch(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(f"patch size {self.patch_size} does not divide the image size {self.image_size}")
        if self.pixel_head == "conv" and self.grid < 2:
            raise ValueError(f"patch_size {self.patch_size} leaves one token, the conv pixel head needs more")
        return self

    @property
    def grid(self) -> int:
        """g = H/p, tokens along one side."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """N = g²."""
        return self.grid**2

    @property
    def latent_dimension(self) -> int:
        """L = N·d; the sphere has radius √L."""
        return self.tokens * self.token_channels


def default_patch_size(pixels: int) -> int:
    """The paper's patch size: 2 up to 64 pixels, then H/32."""
    return 2 if pixels <= 64 else max(2, pixels // 32)


def resolve_size(size: str | Size) -> Size:
    """A `Size` from its name or from itself."""
    return size if isinstance(size, Size) else SIZES[size]


class Model(Strict):
    """The autoencoder (section 2)."""

    kind: Kind = Field(
        "sphere",
        description="Sphere Encoder, Gaussian VAE baseline, plain autoencoder (reconstruction alone, no "
        "noise), or an autoencoder that others trained",
        json_schema_extra=ledger(
            section="figures",
            released="sphere",
        ),
    )
    encoder: SizeName | Size = Field(
        "base",
        description="size of the encoder",
        json_schema_extra=ledger(
            section="networks", reason="the paper trains base, large and xlarge; base is the smallest of them"
        ),
    )
    decoder: SizeName | Size = Field(
        "base",
        description="size of the decoder",
        json_schema_extra=ledger(section="networks", reason="as encoder"),
    )
    ratio: Positive = Field(
        1.5,
        description="compression ratio: 3·H² pixels per latent number",
        json_schema_extra=ledger(
            unit="1", section="notation", released=by_dataset(1.5, 1.5, 1.5, 3.0), reason=EACH
        ),
    )
    patch_size: int | None = Field(
        None,
        gt=0,
        le=1024,
        description="pixels; default: the paper's for the resolution",
        json_schema_extra=ledger(
            unit="pixels",
            section="notation",
            released=by_dataset(2, 8, 8, 8),
            reason="follows from the resolution by the paper's table: 2 up to 64 pixels, then H/32",
        ),
    )
    conditional: bool = Field(
        True,
        description="use the dataset's classes, where it has any",
        json_schema_extra=ledger(
            section="networks", released=by_dataset(True, False, True, True), reason=EACH
        ),
    )
    pixel_head: Literal["linear", "conv"] = Field(
        "linear",
        description="last layers of the decoder",
        json_schema_extra=ledger(
            section="networks", released=by_dataset("conv", "linear", "linear", "linear"), reason=EACH
        ),
    )
    encoder_mixer_depth: int = Field(
        4,
        ge=0,
        le=1000,
        description="MLP-Mixer blocks after the encoder's head",
        json_schema_extra=ledger(
            unit="blocks", section="networks", released=by_dataset(2, 4, 4, 4), reason=EACH
        ),
    )
    decoder_mixer_depth: int = Field(
        4,
        ge=0,
        le=1000,
        description="MLP-Mixer blocks in the decoder's input embedding",
        json_schema_extra=ledger(
            unit="blocks", section="networks", released=by_dataset(2, 4, 4, 4), reason=EACH
        ),
    )
    affine: bool = Field(
        True,
        description="whether the Mixer's last RMSNorm has a weight",
        json_schema_extra=ledger(section="networks", released=True),
    )

    source: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        exclude_if=is_none,
        description="of a pretrained-vae: OWNER/NAME on the hub, or a folder (./PATH, /PATH) of diffusers",
        json_schema_extra=ledger(section="figures", reason="names of others"),
    )
    revision: str | None = Field(
        None,
        exclude_if=is_none,
        description="of a source on the hub: a commit (40 digits), or a branch or tag, which may move on; "
        "default: its main branch as first fetched",
        json_schema_extra=ledger(section="figures", reason="a commit never becomes another one"),
    )
    subfolder: str | None = Field(
        None,
        exclude_if=is_none,
        description="where in the source config.json and the weights lie, e.g. vae",
        json_schema_extra=ledger(section="figures", reason="names of others"),
    )
    sha256: dict[str, str] | None = Field(
        None,
        exclude_if=is_none,
        description="digests of files of the source, by their names; default: those of the first download",
        json_schema_extra=ledger(section="figures", reason="so that nobody can change what was measured"),
    )

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.kind == "pretrained-vae":
            for key in sorted(self.model_fields_set - {"kind", *OF_PRETRAINED}):
                raise ValueError(
                    f"{key} has no meaning for a pretrained-vae, which brings its own shapes: remove it"
                )
            if self.source is None:
                raise ValueError(
                    "source is missing: a pretrained-vae needs OWNER/NAME on the hub, or a folder"
                )
            _ = self.pretrained
            return self
        for key in OF_PRETRAINED:
            if getattr(self, key) is not None:
                raise ValueError(f"{key} is of a pretrained-vae: remove it, or set kind to pretrained-vae")
        return self

    @property
    def pretrained(self) -> Pretrained:
        """Which autoencoder of others it is."""
        assert self.source is not None  # it is one
        return Pretrained(
            source=self.source, revision=self.revision, subfolder=self.subfolder, sha256=self.sha256 or {}
        )

    def architecture(self, dataset: Dataset) -> Architecture:
        """The shapes for `dataset`: d = int(3·H²/g²/ratio), p by the paper's table.

        Those of a pretrained autoencoder are known only when its files are there.
        """
        assert self.kind != "pretrained-vae"
        pixels = dataset.pixels
        patch = self.patch_size or default_patch_size(pixels)
        if pixels % patch:
            raise ValueError(
                f"patch_size {patch} does not divide the {pixels}-pixel images of '{dataset.name}'"
            )
        ratio_of_one = 3 * patch**2 / self.ratio
        if ratio_of_one > MOST_CHANNELS:  # far beyond any memory, together with the layers that read it
            raise ValueError(
                f"ratio {self.ratio:g} is too small: a token of the latent would have {ratio_of_one:.3g} "
                f"channels, more than {MOST_CHANNELS}; the paper's ratios are 1.5 and 3"
            )
        channels = int(ratio_of_one)
        if channels < 1:
            raise ValueError(
                f"ratio {self.ratio} leaves no latent channel: it must be at most {3 * patch**2}"
            )
        return Architecture(
            kind=self.kind,
            image_size=pixels,
            patch_size=patch,
            token_channels=channels,
            classes=dataset.source.classes if self.conditional else 0,
            pixel_head=self.pixel_head,
            encoder=resolve_size(self.encoder),
            decoder=resolve_size(self.decoder),
            encoder_mixer_depth=self.encoder_mixer_depth,
            decoder_mixer_depth=self.decoder_mixer_depth,
            affine=self.affine,
        )
