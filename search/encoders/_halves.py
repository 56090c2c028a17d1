"""Networks of other libraries in half the memory: their matrices in 16 bits where the processor calculates with those.

What else there is stays float32; PyTorch's autocast (pytorch.calculating) decides which sums are taken in which.
"""

from __future__ import annotations

from typing import Any

from search.encoders.pytorch import numbers, torch


def halve(network: Any, device: Any) -> Any:
    dtype, nn = numbers(device), torch().nn
    for module in network.modules() if dtype != torch().float32 else ():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.weight = nn.Parameter(module.weight.to(dtype), requires_grad=False)
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            module.in_proj_weight = nn.Parameter(module.in_proj_weight.to(dtype), requires_grad=False)
    return network


def bytes_of(network: Any) -> int:
    return sum(tensor.nbytes for tensor in [*network.parameters(), *network.buffers()])
