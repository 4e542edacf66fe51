"""Layers of the Vision Transformers (section 2): position, attention, SwiGLU, modulation, blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-6
THETA = 10_000.0
COMPLEX_LANES = 8  # complex numbers in the widest vector of today's processors (512 bits)


class RMSNorm(nn.Module):
    """x / √(mean(x²) + 1e-6) over the last axis, with a learned weight unless `affine` is false."""

    def __init__(self, width: int, *, affine: bool = True) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.ones(width)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (self.width,), self.weight, NORM_EPS)


def position_embedding(width: int, grid: int) -> Tensor:
    """Fixed 2-D sine-cosine table (section 2).

    Returns:
        (g², width) float32, row-major tokens; the column coordinate in the first half of the channels,
        the row in the second; within a half sines first, then cosines.
    """
    if _without_memory():
        return torch.empty(grid * grid, width)
    quarter = width // 4
    frequencies = THETA ** (-torch.arange(quarter, dtype=torch.float64) / quarter)
    rows, columns = _coordinates(grid)
    halves = []
    for coordinate in (columns, rows):
        angles = coordinate[:, None] * frequencies
        halves += [angles.sin(), angles.cos()]
    return torch.cat(halves, dim=1).float()


def rope_table(head_dim: int, grid: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the axial rotary embedding (section 2).

    Returns:
        two (g², head_dim) float32 tables; the first half of the channels turns with the row, the second
        with the column; each frequency stands twice, for the interleaved pair (2i, 2i+1).
    """
    if _without_memory():
        return torch.empty(grid * grid, head_dim), torch.empty(grid * grid, head_dim)
    half = head_dim // 2
    frequencies = THETA ** (-2 * torch.arange(head_dim // 4, dtype=torch.float64) / half)
    angles = torch.cat([coordinate[:, None] * frequencies for coordinate in _coordinates(grid)], dim=1)
    angles = angles.repeat_interleave(2, dim=1)
    return angles.cos().float(), angles.sin().float()


def _pairs(cosines: Tensor, sines: Tensor) -> Tensor:
    """Two tables (g², head_dim) → cosine and sine of each interleaved pair, (g², head_dim/2, 2)."""
    if _without_memory():
        return torch.empty(len(cosines), cosines.shape[1] // 2, 2)
    return torch.stack([cosines[:, ::2], sines[:, ::2]], dim=-1)


def _without_memory() -> bool:
    """Whether only shapes are asked for; arithmetic on the meta device would load torch's compiler."""
    return torch.get_default_device().type == "meta"


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn each interleaved pair (a, b) into (a·cos - b·sin, b·cos + a·sin); x is (…, N, head_dim)."""
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    turned = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
    return x * cosines.to(x.dtype) + turned * sines.to(x.dtype)


def turn(x: Tensor, turns: Tensor) -> Tensor:
    """`rotate` of float32 as one complex product, in about half the time.

    The same bits where a row fills the processor's vectors; what is left over of one is rounded once less.

    Args:
        x: (…, N, head_dim).
        turns: cosine and sine of each pair, (N, head_dim/2, 2).
    """
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * torch.view_as_complex(turns)).flatten(-2)


class Attention(nn.Module):
    """Multi-head self-attention with a fused qkv projection and axial RoPE on q and k."""

    cosines: Tensor
    sines: Tensor
    turns: Tensor

    def __init__(self, width: int, heads: int, grid: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        cosines, sines = rope_table(width // heads, grid)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)
        self.register_buffer("turns", _pairs(cosines, sines), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(x).unflatten(-1, (3, self.heads, -1))  # (B, N, 3, heads, head_dim)
        apart = qkv.permute(2, 0, 3, 1, 4)  # (3, B, heads, N, head_dim)
        (q, k), v = self._placed(apart[:2]), apart[2]
        mixed = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, head_dim)
        attended: Tensor = self.out(mixed.transpose(1, 2).flatten(2))  # (B, N, width)
        return attended

    def _placed(self, qk: Tensor) -> Tensor:
        """q and k (2, B, heads, N, head_dim) turned by their positions."""
        even = self.turns.shape[1] % COMPLEX_LANES == 0
        if even and qk.dtype == torch.float32 and not torch.compiler.is_compiling():
            return turn(qk, self.turns)
        # no complex bfloat16, nor complex kernels of the compiler
        return rotate(qk, self.cosines, self.sines)


class SwiGLU(nn.Module):
    """Gated MLP: silu(first half)·second half of one fused projection, hidden int(width·8/3)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = int(width * (2 / 3 * 4))
        self.up = nn.Linear(width, 2 * hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.up(x).chunk(2, dim=-1)
        out: Tensor = self.down(F.silu(gate) * value)
        return out


class Modulation(nn.Module):
    """SiLU → Linear of the class embedding, cut into `parts` vectors of the token width."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, condition: Tensor) -> tuple[Tensor, ...]:
        vectors: Tensor = self.linear(F.silu(condition)).unsqueeze(1)  # (B, 1, parts·width)
        return vectors.chunk(self.parts, dim=-1)  # each (B, 1, width)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """mod(h) = h·(1 + scale) + shift."""
    return x * (1 + scale) + shift


class Block(nn.Module):
    """Pre-norm transformer block, modulated by the class where the model is conditional."""

    def __init__(self, width: int, heads: int, grid: int, *, conditional: bool) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width)
        self.attention = Attention(width, heads, grid)
        self.mlp_norm = RMSNorm(width)
        self.mlp = SwiGLU(width)
        self.modulation = Modulation(width, 6) if conditional else None

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        if self.modulation is None:
            x = x + self.attention(self.attention_norm(x))
            x = x + self.mlp(self.mlp_norm(x))
            return x
        if condition is None:
            raise ValueError("a conditional model needs labels: the null class stands for none")
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = self.modulation(condition)
        x = x + gate_a * self.attention(modulate(self.attention_norm(x), shift_a, scale_a))
        x = x + gate_m * self.mlp(modulate(self.mlp_norm(x), shift_m, scale_m))
        return x


class Head(nn.Module):
    """Last projection of a side: RMSNorm and modulation where conditional, else one Linear."""

    def __init__(self, width: int, channels: int, *, conditional: bool) -> None:
        super().__init__()
        self.norm = RMSNorm(width) if conditional else None
        self.modulation = Modulation(width, 2) if conditional else None
        self.linear = nn.Linear(width, channels)

    def forward(self, x: Tensor, condition: Tensor | None) -> Tensor:
        if self.norm is not None and self.modulation is not None:
            if condition is None:
                raise ValueError("a conditional model needs labels: the null class stands for none")
            x = modulate(self.norm(x), *self.modulation(condition))
        out: Tensor = self.linear(x)
        return out


def _coordinates(grid: int) -> tuple[Tensor, Tensor]:
    """Row and column coordinate of each token, row-major, float64 (g²,)."""
    axis = torch.arange(grid, dtype=torch.float64)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return rows.flatten(), columns.flatten()
