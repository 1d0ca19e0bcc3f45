"""Half precision is used when it is asked for, or where the processor is made for it."""

import pytest
import torch

from bigprior.ops import precision
from bigprior.ops.precision import autocast


@pytest.mark.parametrize(
    ("asked", "made_for_it", "half"),
    [
        ("fp32", True, False),
        ("bf16", False, True),
        ("auto", True, True),
        ("auto", False, False),
    ],
)
def test_what_a_product_is_computed_in(monkeypatch: pytest.MonkeyPatch, asked, made_for_it, half) -> None:
    monkeypatch.setattr(precision, "_multiplies_bf16", lambda device: made_for_it)
    x = torch.ones(2, 2)
    with autocast(asked, x.device):
        product = x @ x
    assert product.dtype == (torch.bfloat16 if half else torch.float32)


def test_this_processor_is_asked() -> None:
    assert isinstance(precision._multiplies_bf16(torch.device("cpu")), bool)
    assert precision._multiplies_bf16(torch.device("meta")) is False
