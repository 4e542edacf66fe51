"""AdamW by torch's fused kernel, without torch's optimizer classes.

`torch.optim.AdamW(fused=True)` takes the same steps, bit by bit, but every class of `torch.optim` loads
torch's compiler when it is made: more than a second at the start of each training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

State = dict[nn.Parameter, dict[str, Tensor]]


class AdamW:
    """Adam with decoupled weight decay, of which there is none; states have the form of torch's.

    Args:
        groups: parameters that share a rate, which is 0 until someone sets `param_groups[i]["lr"]`.
        betas: decay of the mean of the gradients and of their squares.
        eps: added to the root of the second.
    """

    def __init__(
        self, groups: Sequence[Sequence[nn.Parameter]], betas: tuple[float, float], eps: float
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(group), "lr": 0.0} for group in groups]
        self.betas, self.eps = betas, eps
        self.state: State = {}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Of all groups, in their order."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient; one without keeps its moments as they are."""
        for group in self.param_groups:
            moved = [parameter for parameter in group["params"] if parameter.grad is not None]
            states = [self._state_of(parameter) for parameter in moved]
            adamw(
                params=moved,
                grads=[parameter.grad for parameter in moved],
                exp_avgs=[state["exp_avg"] for state in states],
                exp_avg_sqs=[state["exp_avg_sq"] for state in states],
                max_exp_avg_sqs=[],
                state_steps=[state["step"] for state in states],
                fused=True,
                amsgrad=False,
                beta1=self.betas[0],
                beta2=self.betas[1],
                lr=group["lr"],
                weight_decay=0.0,
                eps=self.eps,
                maximize=False,
            )

    def _state_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        if parameter not in self.state:
            self.state[parameter] = unmoved(parameter)
        return self.state[parameter]

    def state_dict(self) -> dict[str, Any]:
        """Moments by the parameter's number, and the groups; the tensors are the optimizer's own."""
        numbers = {parameter: i for i, parameter in enumerate(self.parameters)}
        groups = [
            group | {"params": [numbers[parameter] for parameter in group["params"]]}
            for group in self.param_groups
        ]
        return {
            "state": {numbers[parameter]: dict(moments) for parameter, moments in self.state.items()},
            "param_groups": groups,
        }

    def load_state_dict(self, record: Mapping[str, Any]) -> None:
        """Take over the moments and rates of a record of this class, or of torch's."""
        parameters = self.parameters
        self.state = {
            parameters[i]: {name: tensor.to(parameters[i].device) for name, tensor in moments.items()}
            for i, moments in record["state"].items()
        }
        for mine, saved in zip(self.param_groups, record["param_groups"], strict=True):
            mine["lr"] = saved["lr"]


def unmoved(parameter: Tensor) -> dict[str, Tensor]:
    """What AdamW keeps of a parameter before its first step: a counter and two moments, all 0."""
    return {
        "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
        "exp_avg": torch.zeros_like(parameter),
        "exp_avg_sq": torch.zeros_like(parameter),
    }
