"""Content credentials: signed with a chain made here, read by c2pa-python's own reader."""

import datetime
import json
from pathlib import Path

import pytest
import torch

from bigprior.errors import SettingsError
from bigprior.io.decoding import decode
from bigprior.io.pictures import read_picture, write_picture
from bigprior.io.xmp import SOURCE_TYPES
from bigprior.jobs import Job, run
from bigprior.phi import ConstantPhi
from bigprior.priors.precomputed import PrecomputedPrior
from bigprior.provenance.verify import verify
from bigprior.report.credentials import check_pair, regions, signature, source_type
from bigprior.report.output import Output
from bigprior.restorer import Restorer

NEEDED = "c2pa-python is not installed: pip install 'bigprior[c2pa]'"


def made_pair(folder: Path, name: str = "signer") -> tuple[Path, Path]:
    """A certificate that an authority of our own has signed, with that, and its key."""
    x509 = pytest.importorskip("cryptography.x509", reason=NEEDED)
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name(
            [x509.NameAttribute(x509.NameOID.COMMON_NAME, n), x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "T")]
        )
        for n in ("authority", name)
    ]
    made = []
    for i, (key, subject) in enumerate(zip(keys, names, strict=True)):
        usage = dict.fromkeys(
            [
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ],
            False,
        )
        usage |= {"digital_signature": i == 1, "key_cert_sign": i == 0, "crl_sign": i == 0}
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(names[0]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(1))
        builder = builder.not_valid_after(now + datetime.timedelta(30))
        builder = builder.add_extension(x509.BasicConstraints(ca=i == 0, path_length=None), critical=True)
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        builder = builder.add_extension(authority, critical=False)
        if i == 1:
            use = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION])
            builder = builder.add_extension(use, critical=False)
        made.append(builder.sign(keys[0], hashes.SHA256()))
    pem = serialization.Encoding.PEM
    private = keys[1].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").write_bytes(made[1].public_bytes(pem) + made[0].public_bytes(pem))
    (folder / f"{name}.key").write_bytes(private)
    return folder / f"{name}.pem", folder / f"{name}.key"


@pytest.fixture
def photo(tmp_path):
    write_picture(tmp_path / "photo.png", torch.rand(1, 3, 40, 50))
    known = torch.ones(1, 1, 40, 50)
    known[..., 10:20, 20:35] = 0
    write_picture(tmp_path / "mask.png", known)
    return tmp_path / "photo.png"


def restored(photo, task, settings, **output):
    restorer = Restorer(PrecomputedPrior(torch.rand(1, 3, 40, 50)), ConstantPhi(0.5))
    folder = photo.parent / f"out-{task}-{len(output)}"
    run(Job(photo, task, settings, folder, output=Output(("restored",), **output)), restorer)
    return folder


def test_unsigned_pictures_say_what_they_are(photo, tmp_path):
    for task, settings, kind in (
        ("denoising", {"sigma": 10}, "algorithmicallyEnhanced"),
        ("inpainting", {"mask": tmp_path / "mask.png"}, "compositeWithTrainedAlgorithmicMedia"),
    ):
        folder = restored(photo, task, settings)
        assert source_type(task) == kind
        assert f'DigitalSourceType="{SOURCE_TYPES}{kind}"'.encode() in (
            decode(folder / "restored.png").metadata.xmp or b""
        )


@pytest.mark.parametrize("suffix", ["png", "tiff", "jpg"])
def test_credentials_validate_and_leave_the_pixels(photo, tmp_path, suffix):
    c2pa = pytest.importorskip("c2pa", reason=NEEDED)
    pair, settings = made_pair(tmp_path), {"mask": tmp_path / "mask.png"}
    torch.manual_seed(3)
    plain = restored(photo, "inpainting", settings, format=suffix)
    torch.manual_seed(3)
    folder = restored(photo, "inpainting", settings, format=suffix, sign=pair)
    (signed,) = folder.glob("restored.*")
    assert torch.equal(read_picture(signed).image, read_picture(next(plain.glob("restored.*"))).image)
    with c2pa.Reader(str(signed)) as reader:
        read = json.loads(reader.json())
    assert {status["code"] for status in read.get("validation_status", [])} <= {"signingCredential.untrusted"}
    manifest = read["manifests"][read["active_manifest"]]
    assert [ingredient["title"] for ingredient in manifest["ingredients"]] == ["photo.png"]
    actions = next(a["data"]["actions"] for a in manifest["assertions"] if a["label"].startswith("c2pa.actions"))
    assert [action["action"] for action in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
    box = actions[1]["changes"][0]["region"][0]["shape"]
    assert (box["origin"]["x"], box["origin"]["y"]) == (pytest.approx(40), pytest.approx(25))
    verdicts = {v.name: v for v in verify(folder, photo)}
    assert verdicts["signature"].holds, verdicts["signature"]
    assert "signer" in verdicts["signature"].said and not [v for v in verdicts.values() if v.holds is False]
    made_up = json.loads((folder / "restoration.json").read_text())["made_up"]
    assert signature(signed)[1]["made_up"] == pytest.approx(made_up)
    data = bytearray(signed.read_bytes())  # a part of the picture that no checksum of the format guards
    at = len(data) - 20 if suffix == "jpg" else data.index(b"IDAT") + 60 if suffix == "png" else len(data) // 2
    data[at] ^= 1
    signed.write_bytes(bytes(data))
    assert {v.name: v.holds for v in verify(folder, photo)}["signature"] is False
    write_picture(signed, torch.rand(1, 3, 40, 50))
    gone = {v.name: v for v in verify(folder, photo)}["signature"]
    assert gone.holds is False and "carries no credentials" in gone.said


def test_what_cannot_sign_is_refused_before_anything_is_written(photo, tmp_path, monkeypatch):
    pytest.importorskip("c2pa", reason=NEEDED)
    (cert, key), (_, other) = made_pair(tmp_path), made_pair(tmp_path, "other")
    for pair, said in (
        ((cert, other), "other.key is not the key of .*signer.pem"),
        ((key, key), "is no certificate"),
        ((cert, cert), "is no private key"),
        ((cert, tmp_path / "none"), "is no private key"),
    ):
        with pytest.raises(SettingsError, match=said):
            check_pair(*pair)
    monkeypatch.setattr("bigprior.report.credentials.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'bigprior\[c2pa\]'"):
        check_pair(cert, key)


def test_regions_are_where_most_is_made_up():
    phi = torch.zeros(1, 1, 100, 200)
    phi[..., 50:100, :50] = 1
    phi[..., 0:20, 150:170] = 1
    boxes = [box["shape"] for box in regions(phi)]
    assert len(boxes) == 2 and boxes[0]["width"] == pytest.approx(25) and boxes[0]["origin"]["y"] == pytest.approx(50)
    assert regions(torch.zeros(1, 3, 8, 8)) == []
