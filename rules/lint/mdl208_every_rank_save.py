"""# every-rank-save (MDL208)

## What it does
Reports, in code that sets up distributed training, a save without a test of the rank on the way to it. Off by
default: whether only rank 0 calls a function is often decided in its caller, which the rule does not always see.

## Why it bites
Every process writes the same path at the same time, and the file that is left can be a corrupt archive. A test of
the local rank is not enough on more than one node with a shared disk.

## Example
```python
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def train(model, path):
    dist.init_process_group("nccl")
    model = DistributedDataParallel(model)
    fit(model)
    torch.save(model.module.state_dict(), path)
```

## Use instead
```python
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel


def train(model, path):
    dist.init_process_group("nccl")
    model = DistributedDataParallel(model)
    fit(model)
    if dist.get_rank() == 0:
        torch.save(model.module.state_dict(), path)
    dist.barrier()
```

## When to ignore
Where the caller tests the rank, or the path holds the rank.

## Evidence
- https://github.com/kakaobrain/scrl/issues/5, https://github.com/pytorch/pytorch/issues/12042,
  https://github.com/NVIDIA/apex/issues/886, https://github.com/DLLXW/baby-llama2-chinese/pull/56,
  https://github.com/karpathy/nanochat/pull/336
- Of 169 saves in public files that use DDP, 59 have no guard in sight, and at least one of them is guarded by its
  caller: hence off by default.
"""

from collections.abc import Iterator

from modelint.lint.facts import Save
from modelint.rule import Report, Rule


def check(fact: Save) -> Iterator[Report]:
    if fact.pickles and fact.states and fact.distributed and not fact.rank_guarded:
        yield Report(
            fact.place,
            "every rank of a distributed run writes this file: a checkpoint written twice at once is corrupt",
            "save under `if rank == 0:`",
        )


RULE = Rule(
    code="MDL208",
    name="every-rank-save",
    summary="every rank of a distributed run writes the same file",
    facts=(Save,),
    check=check,
    status="off",
)
