"""The report: what it says, that it asks nobody for anything, and that its slider works by mouse and keyboard."""

import base64
import json
import re

import pytest
import torch

from bigprior.degradations import Colorization, Denoising
from bigprior.noise import Noise
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.report.page import page
from bigprior.report.verdict import histogram, verdict
from bigprior.restorer import Restorer


@pytest.fixture
def result():
    y = torch.rand(1, 3, 200, 300)
    return Restorer(PrecomputedPrior(torch.rand_like(y)), ConstantPhi(0.25)).restore(y, Denoising(0.1), seed=3)


def test_it_is_one_file_that_names_no_other_place(result, tmp_path):
    paths = result.save(tmp_path / "out", only=["report"])
    text = paths["report"].read_text("utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", text) and "://" not in text.split("<pre", 1)[0]
    assert "25% made up" in text and "default-src 'none'" in text
    pictures = re.findall(r"data:image/(png|jpeg);base64,([^\"]+)", text)
    assert len(pictures) >= 4 and all(base64.b64decode(data, validate=True) for _, data in pictures)


def test_the_verdict_says_the_number_of_the_record(result, tmp_path):
    result.save(tmp_path / "out", only=["restored"])
    values = json.loads((tmp_path / "out" / "restoration.json").read_text())
    said = " ".join(verdict(result, values))
    assert said.startswith(f"{values['made_up']:.0%} made up") and "Noise told: sigma 25.5 of 255" in said
    assert "Nothing is certified" in said
    assert sum(histogram(result)) == pytest.approx(1) and histogram(result)[5] == 1


def test_of_a_colorized_picture_it_says_what_was_made_up():
    grey = torch.rand(1, 1, 16, 16)
    prior = grey + 0.3 * torch.rand(1, 3, 16, 16)
    restorer = Restorer(PrecomputedPrior(prior), ConstantPhi(0.7, "luminance"))
    said = " ".join(verdict(restorer.restore(grey, Colorization()), {}))
    assert "brightness 0%, colour 100%" in said


def test_noise_that_is_not_everywhere_alike_is_an_overlay(result):
    from dataclasses import replace

    noise = Noise(torch.tensor([0.1]), torch.tensor([0.1]), False, torch.randn(1, 8, 50, 75) / 4)
    assert 'data-overlay="2"' in page(replace(result, noise=noise), {}) and 'data-overlay="2"' not in page(result, {})


def test_in_a_browser_the_slider_works_and_nothing_is_asked_for(result, tmp_path, browser):
    path = result.save(tmp_path / "out", only=["report"])["report"]
    browser.open(path)
    before, at = "document.getElementById('before').style.clipPath", "document.getElementById('slider').value"
    assert browser.value(before) == "inset(0px 50% 0px 0px)" and browser.value(at) == "50"
    left, top, width = browser.value(
        "(r => [r.left, r.top, r.width])(document.getElementById('view').getBoundingClientRect())"
    )
    browser.mouse("mousePressed", left + 0.25 * width, top + 20)
    assert browser.value(at) == "25"
    browser.mouse("mouseMoved", left + 0.8 * width, top + 20)
    browser.mouse("mouseReleased", left + 0.8 * width, top + 20)
    assert browser.value(at) == "80" and browser.value(before) == "inset(0px 20% 0px 0px)"
    browser.key("ArrowLeft", 37)  # the slider has the focus
    assert browser.value(at) == "79" and browser.value(before) == "inset(0px 21% 0px 0px)"
    shown = "[...document.querySelectorAll('[data-overlay]')].map(e => getComputedStyle(e).display)"
    assert set(browser.value(shown)) == {"none"}
    browser.key("1", 49)
    assert set(browser.value(shown)) == {"block"}
    assert browser.value("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    asked = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    complaints = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert not [event for event in browser.events if event["method"] in complaints]
