"""The form of the record, and that what is written is of it."""

import json
from pathlib import Path

import pytest
import torch

from bigprior.degradations import Denoising
from bigprior.errors import ImageError
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.record import checked, digest_of, read_values, schema
from bigprior.restorer import Restorer

PUBLISHED = Path(__file__).parents[2] / "docs" / "reference" / "restoration.schema.json"


def test_the_published_schema_is_that_of_the_source():
    """`make schema` writes it."""
    assert json.loads(PUBLISHED.read_text("utf-8")) == schema()


def test_what_is_written_is_of_that_form(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    y = torch.rand(1, 3, 8, 9)
    Restorer(PrecomputedPrior(y), ConstantPhi(0.5)).restore(y, Denoising(0.1)).save(tmp_path / "out", only=["restored"])
    values = read_values(tmp_path / "out")
    record = checked(values)
    assert set(record.files) == {"restored.png"} and record.digest == digest_of(values)
    assert record.event.date_time == "1970-01-01T00:00:00+00:00" and record.bound is None
    assert set(schema()["required"]) <= set(values) and values["sigma"] == [0.1]
    with pytest.raises(ImageError, match="record's made_up is not of the form"):
        checked(values | {"made_up": 1.5})
    (tmp_path / "out" / "restoration.json").write_text("[]")
    with pytest.raises(ImageError, match="expected a JSON object"):
        read_values(tmp_path / "out")
