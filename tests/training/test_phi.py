"""The fusion weight's training: what it lowers, and that a kill costs nothing but time."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bigprior.degradations import Measurement
from bigprior.degradations.simulation import protocols, simulate
from bigprior.errors import SettingsError, UnknownNameError
from bigprior.frames import Bands, frame
from bigprior.fusion import centre, fuse, variance
from bigprior.io.weights import read_weights
from bigprior.phi import PHI_NETWORKS, BandPhi, PhiNetwork, phi_network
from bigprior.presets.loading import load_phi
from bigprior.priors.base import Prior, Projection
from bigprior.progress import Progress
from bigprior.training.loop import fit
from bigprior.training.phi import PhiSettings, PhiTrainer, band_objective, objective
from bigprior.training.triples import Triples, check_apart, make_triples

TINY = {"network_settings": {"widths": [4, 6]}, "batch": 3, "crop_px": 8, "validate_every": 2}


def triples(n: int = 4, seed: int = 0) -> Triples:
    """The prior is right in the left half, the measurement in the right half."""
    rng = torch.Generator().manual_seed(seed)
    truth, wrong = torch.rand(2, n, 3, 12, 14, generator=rng)
    left = torch.arange(14) < 7
    return Triples(torch.where(left, 0.5 * wrong, truth), torch.where(left, truth, wrong), truth)


def contrary() -> Triples:
    """Where what is learned from :func:`triples` is wrong, so that an early score is the best."""
    data = triples(2, 1)
    return Triples(data.fidelity, data.prior, torch.where(torch.arange(14) < 7, data.fidelity, data.prior))


class Doubling(Prior):
    """A prior that says twice the measurement, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def project(self, m: Measurement, *, seed: int = 0, progress: Progress | None = None) -> Projection:
        self.asked += 1
        return Projection(2 * m.fidelity)


def phi_of(network: PhiNetwork, fidelity: Tensor, prior: Tensor) -> Tensor:
    """Of a network of pixels."""
    mean, weight = centre(prior), torch.zeros(len(prior))
    return network(fidelity, prior, frame("pixel"), mean=mean, weight=weight)[0]


def train(
    out: Path | str,
    settings: PhiSettings,
    data: Triples,
    validation: Triples | None = None,
    about: dict[str, str] | None = None,
) -> Path:
    return fit(PhiTrainer(settings, data, validation, about), out, quiet=True)


def settings_of(steps: int) -> PhiSettings:
    return PhiSettings(steps=steps, lr=0.1, **TINY)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, run_until_killed) -> None:
    whole = train(tmp_path / "whole", settings_of(8), triples(), contrary())
    call = "train(sys.argv[1], test_phi.settings_of(8), test_phi.triples(), test_phi.contrary())"
    run_until_killed("phi", call, 5, tmp_path / "killed")
    assert torch.load(tmp_path / "killed" / "state.pt", weights_only=True)["step"] == 5
    resumed = train(tmp_path / "killed", settings_of(8), triples(), contrary())
    assert resumed.read_bytes() == whole.read_bytes()
    scores = [json.loads(line)["validation"] for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert min(scores[:2]) == min(scores)  # the best weights are older than the last save
    states = [torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("whole", "killed")]
    assert states[0]["step"] == states[1]["step"] == 8
    assert states[0]["best"]["score"] == states[1]["best"]["score"]
    for name, tensor in states[0]["network"].items():
        assert torch.equal(tensor, states[1]["network"][name])


def test_it_learns_whom_to_believe(tmp_path: Path) -> None:
    data = triples(8)
    settings = PhiSettings(
        steps=150, lr=0.02, network_settings={"widths": [8, 8]}, batch=8, crop_px=14, validate_every=50
    )
    network = load_phi(train(tmp_path, settings, data))
    phi = phi_of(network, data.fidelity, data.prior)
    assert phi[..., :6].mean() > phi[..., 8:].mean() + 0.3
    phi, half = phi_of(network, data.fidelity, data.prior), torch.full_like(data.fidelity[:, :1], 0.5)
    assert objective(phi, *data.parts(), rho=0.0) < objective(half, *data.parts(), rho=0.0)


def test_the_same_settings_give_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    paths = []
    for i, seed in enumerate((0, 0, 1)):
        torch.manual_seed(i)
        paths.append(train(tmp_path / str(i), settings_of(3).model_copy(update={"seed": seed}), triples()))
    first, second, other = (p.read_bytes() for p in paths)
    assert first == second
    assert first != other


def test_the_log_the_header_and_the_settings(tmp_path: Path) -> None:
    path = train(tmp_path, settings_of(5), triples(), triples(2, 1), about={"task": "denoising"})
    assert path == tmp_path / "phi.safetensors"
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert all(line["loss"] > 0 and line["validation"] > 0 for line in lines)
    _, header = read_weights(path)
    assert (header["kind"], header["network"]["widths"], header["task"]) == ("unet", [4, 6], "denoising")
    assert PhiSettings(**header["recipe"]) == settings_of(5)
    assert phi_of(load_phi(path), *torch.rand(2, 1, 3, 5, 5)).shape == (1, 1, 5, 5)


def test_the_best_weights_on_the_validation_pictures_are_exported(tmp_path: Path) -> None:
    validation = triples(2, 1)
    path = train(tmp_path, settings_of(12).model_copy(update={"lr": 0.3}), triples(), validation)
    scores = [json.loads(line)["validation"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    network = load_phi(path)
    singles = [[part[i : i + 1] for part in validation.parts()] for i in range(2)]
    score = sum(objective(phi_of(network, y, g), y, g, x, rho=1e-5).item() for y, g, x in singles) / 2
    assert score == pytest.approx(min(scores), rel=1e-3)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    train(tmp_path, settings_of(2), triples())
    with pytest.raises(SettingsError, match="other settings"):
        train(tmp_path, settings_of(3), triples())
    weights = (tmp_path / "phi.safetensors").read_bytes()
    with pytest.raises(SettingsError, match="other sources"):
        train(tmp_path, settings_of(2), triples(), about={"task": "inpainting"})
    with pytest.raises(SettingsError, match="other sources"):
        train(tmp_path, settings_of(2), triples(3))
    assert (tmp_path / "phi.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    "settings", [PhiSettings(network="constant", steps=1), PhiSettings(network_settings={"channels": 2}, steps=1)]
)
def test_what_cannot_be_trained_is_refused(tmp_path: Path, settings: PhiSettings) -> None:
    with pytest.raises(SettingsError, match=r"nothing to train|channels is 2"):
        train(tmp_path / "run", settings, triples())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("train", "validation"), [(None, (3, 4)), ((0, 3), (3, 4)), ((4, 9), (3, 4))])
def test_weights_are_not_chosen_on_what_was_learned_from(train: Any, validation: Any) -> None:
    with pytest.raises(SettingsError, match="validation 3-4: choose pictures that are in one alone"):
        check_apart(train, validation)
    check_apart((0, 2), validation)
    check_apart(train, None)


def test_an_unknown_network_is_told_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unet"):
        train(tmp_path, PhiSettings(network="vit", steps=1), triples())
    train(tmp_path, settings_of(1), triples())  # the folder is still free


@pytest.mark.parametrize("weights", ["he", "torch"])
@pytest.mark.parametrize("kind", sorted(kind for kind in PHI_NETWORKS if list(phi_network(kind).parameters())))
def test_every_network_with_weights_trains(tmp_path: Path, kind: str, weights: str) -> None:
    settings = PhiSettings(network=kind, weights=weights, steps=2, batch=1, crop_px=4)
    assert load_phi(train(tmp_path, settings, triples())).kind == kind


def test_a_start_as_he_keeps_the_size_of_signals_and_says_nothing_yet(tmp_path: Path) -> None:
    shape = {"network_settings": {"widths": [16, 32]}, "batch": 1, "crop_px": 8}
    settings = PhiSettings(weights="he", steps=1, lr=1e-9, **shape)  # type: ignore[arg-type]
    network = load_phi(train(tmp_path, settings, triples()))
    assert torch.allclose(phi_of(network, *triples().parts()[:2]), torch.tensor(0.5), atol=1e-5)
    layer = network.down[1][2].weight
    assert layer.std().item() == pytest.approx((2 / layer[0].numel()) ** 0.5, rel=0.05)


def test_the_objective_is_equation_14() -> None:
    data, share = triples(), 0.3
    fused = 0.7 * data.fidelity + 0.3 * data.prior
    wanted = ((fused - data.truth) ** 2).mean() + 0.01 * share
    phi = torch.full_like(data.fidelity[:, :1], share)
    assert objective(phi, *data.parts(), rho=0.01).item() == pytest.approx(wanted.item(), rel=1e-5)
    absolute = (fuse(*data.parts()[:2], phi) - data.truth).abs().mean()
    assert objective(phi, *data.parts(), rho=0, error="l1").item() == pytest.approx(absolute.item(), rel=1e-5)
    rms = (fused - data.truth).square().mean(dim=(1, 2, 3)).sqrt().mean()
    colour, both = (objective(phi, *data.parts(), rho=0, error=error).item() for error in ("ab", "ab+rms"))
    assert both == pytest.approx(colour + rms.item() / 2, rel=1e-4)


# Triples


@pytest.mark.parametrize("protocol", sorted(protocols()))
def test_triples_are_what_each_protocol_measures(tmp_path: Path, protocol: str) -> None:
    truth, names = torch.rand(3, 3, 16, 16) * 0.9 + 0.1, ["a", "b", "c"]
    made = make_triples(Doubling(), [protocol], truth, names, key="k", cache=tmp_path, batch=2)
    y, physics = simulate(protocol, truth, names)
    assert len(made) == 3
    assert torch.equal(made.fidelity, physics.g_inv(y))
    assert torch.equal(made.prior, 2 * physics.g_inv(y))
    assert torch.equal(made.truth, truth)


def test_inversions_are_made_once_for_each_key_measurement_and_mask(tmp_path: Path) -> None:
    truth, names, prior = torch.rand(3, 3, 16, 16), ["a", "b", "c"], Doubling()
    calls: list[tuple[int, int]] = []

    def make(key: str = "k", protocols: tuple[str, ...] = ("denoising", "inpainting-boxes"), draws: int = 2) -> Triples:
        return make_triples(
            prior,
            protocols,
            truth,
            names,
            draws=draws,
            key=key,
            cache=tmp_path,
            batch=2,
            progress=lambda done, total: calls.append((done, total)),
        )

    first = make()
    assert len(first) == 2 * 2 * 3
    assert prior.asked == 8
    assert calls == [(i, 8) for i in range(1, 9)]
    again = make()
    assert prior.asked == 8
    assert all(torch.equal(a, b) for a, b in zip(first.parts(), again.parts(), strict=True))
    make(draws=1)
    assert prior.asked == 8
    make(draws=3)
    assert prior.asked == 12
    make(key="other weights", draws=1)
    assert prior.asked == 16


@pytest.mark.parametrize(("uneven", "kind"), [(1.0, "wavelet"), (0.0, "wavelet"), (1.0, "pixel")])
def test_crops_cut_the_squares_of_the_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uneven: float, kind: str
) -> None:
    sizes: list[torch.Size] = []

    plain = BandPhi.forward

    def seen(network: BandPhi, y: Tensor, *others: Any, **more: Any) -> Bands:
        sizes.append(y.shape[2:])
        return plain(network, y, *others, **more)

    monkeypatch.setattr(BandPhi, "forward", seen)
    settings = {"network": "bands", "network_settings": {"frame": kind}, "batch": 1, "crop_px": 14, "uneven": uneven}
    train(tmp_path, PhiSettings(steps=12, **settings), triples())  # type: ignore[arg-type]
    heights, widths = (set(sides) for sides in zip(*sizes, strict=True))
    if uneven and kind == "wavelet":
        assert len(heights) > 3 and len(widths) > 3 and max(*heights, *widths) <= 14
    else:
        assert (heights, widths) == ({12}, {14})


@pytest.mark.parametrize("error", ["ab", "ab+rms"])
@pytest.mark.parametrize("network", ["bands", "unet"])
def test_an_error_in_colour_trains(tmp_path: Path, network: str, error: str) -> None:
    settings = PhiSettings(network=network, error=error, steps=2, batch=1, crop_px=8)
    assert train(tmp_path, settings, triples()).exists()
    truth = triples().truth
    assert objective(torch.ones(4, 1, 12, 14), 1 - truth, truth, truth, rho=0.0, error="ab").item() < 0.001


@pytest.mark.parametrize("error", ["ab", "ab+rms", "l1", "l2"])
def test_the_objective_in_a_frame_is_equation_14_with_the_share(error: str) -> None:
    torch.manual_seed(2)
    w, (y, g, x), rho = frame("wavelet"), torch.rand(3, 2, 3, 64, 64), torch.tensor([0.0, 0.01])
    phi = [torch.full_like(band, 0.3) for band in w.analyse(y)]
    loss = band_objective(w, phi, y, g, x, rho=rho, error=error)
    if error == "l2":
        fused, prior = (((p - x) ** 2).mean(dim=(1, 2, 3)) for p in (0.7 * y + 0.3 * g, g))
        assert loss.item() == pytest.approx(float(((fused + rho * 0.3) / (prior + rho / 10)).mean()), rel=1e-4)
    else:
        assert loss.item() > 0


@pytest.mark.slow
def test_it_finds_the_gaussian_map() -> None:
    """Eq. 6 to 8: pictures around the prior with one variance a band, and white noise; phi = 1 / (1 + S) is best."""
    w, sigma, rng = frame("wavelet"), 0.1, torch.Generator().manual_seed(4)
    spreads = [sigma * 10 ** ((i - 3) / 6) for i in range(7)]  # S from 0.1 to 10

    def draw(n: int) -> tuple[Tensor, Tensor, Tensor]:
        g = torch.rand(n, 3, 64, 64, generator=rng)
        c = [b + s * torch.randn(b.shape, generator=rng) for b, s in zip(w.analyse(g), spreads, strict=True)]
        x = w.synthesise(c, 64, 64)
        return x + sigma * torch.randn(x.shape, generator=rng), g, x

    def phi(y: Tensor, g: Tensor) -> Bands:
        return network(y, g, w, mean=centre(g), weight=1e-6 / variance(g))

    def error(shares: Bands, y: Tensor, g: Tensor, x: Tensor) -> float:
        terms = zip(w.analyse(y), w.analyse(g), shares, strict=True)
        return float((w.synthesise([fuse(*term) for term in terms], 64, 64) - x).square().mean())

    torch.manual_seed(0)
    network = BandPhi("wavelet", width=16)
    optimizer = torch.optim.Adam(network.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=1500)
    for _ in range(1500):
        y, g, x = draw(4)
        loss = band_objective(w, phi(y, g), y, g, x, rho=torch.full((4,), 1e-6))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    y, g, x = draw(16)
    closed = [torch.full((16, 1, 1, 1), 1 / (1 + (s / sigma) ** 2)) for s in spreads]
    with torch.no_grad():
        assert error(phi(y, g), y, g, x) < 1.01 * error(closed, y, g, x)
