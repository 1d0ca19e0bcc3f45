"""Content credentials (C2PA): who says that a picture was restored from another, how, where, and how much was made up.

They are written and checked offline, with ``c2pa-python``; nothing is trusted but what the reader of a picture trusts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from skimage.measure import label, regionprops
from torch import Tensor

from bigprior.degradations import DEGRADATIONS
from bigprior.errors import ImageError, OutputError, SettingsError
from bigprior.io.atomic import replacing
from bigprior.io.xmp import SOURCE_TYPES
from bigprior.report.shown import shrunk

#: The assertion that says how much was made up.
ASSERTION = "org.bigprior.restoration"
#: Of the map of phi in which regions are drawn, the longest side; the least part of it that is one, and how many.
_MAP_PX, _LEAST, _MOST = 64, 4, 8
#: By the suffix of a file, its type.
_TYPES = {".png": "image/png", ".tif": "image/tiff", ".tiff": "image/tiff", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_TYPES |= {".webp": "image/webp"}
#: What a validation says of a certificate that it does not know, which is for the reader to judge.
_UNKNOWN = "signingCredential.untrusted"


def source_type(task: str) -> str:
    """How IPTC calls the source of a picture that a task has restored.

    What leaves a picture as it is, but for noise, is enhanced by its inverse; all else gets parts that it never had.
    """
    enhanced = task in DEGRADATIONS and DEGRADATIONS[task].identity
    return "algorithmicallyEnhanced" if enhanced else "compositeWithTrainedAlgorithmicMedia"


def check_pair(certificate: Path, key: Path) -> tuple[str, str]:
    """That a key signs for a certificate.

    Args:
        certificate: a chain in PEM, the signer's own first.
        key: private, in PEM, not encrypted.

    Returns:
        The algorithm, and the SHA-256 of the signer's certificate.

    Raises:
        SettingsError: one of both cannot be read, they do not belong together, or what it takes is not installed.
    """
    if find_spec("c2pa") is None or find_spec("cryptography") is None:
        raise SettingsError("content credentials need c2pa-python: pip install 'bigprior[c2pa]'")
    x509, serial = import_module("cryptography.x509"), import_module("cryptography.hazmat.primitives.serialization")
    ec, rsa, ed = (import_module(f"cryptography.hazmat.primitives.asymmetric.{n}") for n in ("ec", "rsa", "ed25519"))
    hashes = import_module("cryptography.hazmat.primitives.hashes")
    try:
        own = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    except (OSError, ValueError) as error:
        raise SettingsError(f"{certificate} is no certificate ({error}): expected a chain in PEM") from error
    try:
        private = serial.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"{key} is no private key ({error}): expected one in PEM, not encrypted") from error
    form = (serial.Encoding.DER, serial.PublicFormat.SubjectPublicKeyInfo)
    if own.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise SettingsError(f"{key} is not the key of {certificate}: pass a certificate and its own key")
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.key_size in (256, 384):
        return f"es{private.curve.key_size}", own.fingerprint(hashes.SHA256()).hex()
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256", own.fingerprint(hashes.SHA256()).hex()
    if isinstance(private, ed.Ed25519PrivateKey):
        return "ed25519", own.fingerprint(hashes.SHA256()).hex()
    raise SettingsError(f"{key} is of a kind that credentials know not: expected EC P-256 or P-384, RSA or Ed25519")


def sign(path: Path, photo: Path, pair: tuple[Path, Path], values: Mapping[str, Any], phi: Tensor) -> dict[str, str]:
    """Put credentials into a picture's file; its pixels stay as they are.

    Args:
        path: the restored picture.
        photo: what it was restored from, which becomes its ingredient.
        pair: certificate and key, see :func:`check_pair`.
        values: the record's fields.
        phi: (1, 1 or 3, H, W).

    Returns:
        What the record says of it.

    Raises:
        OutputError: the file cannot be signed.
        SettingsError: as :func:`check_pair`.
    """
    algorithm, fingerprint = check_pair(*pair)
    c2pa = import_module("c2pa")
    certificate, key = (part.read_text("ascii") for part in pair)
    version = str(values["versions"]["bigprior"])
    try:
        info = c2pa.C2paSignerInfo(algorithm.encode(), certificate.encode(), key.encode(), None)
        with c2pa.Signer.from_info(info) as signer, c2pa.Builder(_manifest(path.name, values, phi, version)) as builder:
            with photo.open("rb") as original:
                ingredient = {"title": photo.name, "relationship": "parentOf", "instance_id": "measurement"}
                builder.add_ingredient(json.dumps(ingredient), _TYPES.get(photo.suffix.lower(), "image/png"), original)
            with replacing(path) as temporary:
                os.unlink(temporary)
                builder.sign_file(str(path), str(temporary), signer)
    except (c2pa.C2paError, OSError) as error:
        raise OutputError(f"cannot sign {path} ({' '.join(str(error).split())}): check the certificate") from error
    return {"file": path.name, "certificate": fingerprint}


def signature(path: Path) -> tuple[str | None, dict[str, Any]]:
    """Who signed a picture, and what they say of the restoration; None and nothing if nobody did.

    Raises:
        ImageError: the credentials are not of this picture, or were tampered with.
        SettingsError: what it takes is not installed.
    """
    if find_spec("c2pa") is None:
        raise SettingsError("content credentials need c2pa-python: pip install 'bigprior[c2pa]'")
    c2pa = import_module("c2pa")
    try:
        with c2pa.Reader(str(path)) as reader:
            read = json.loads(reader.json())
    except c2pa.C2paError as error:
        if "ManifestNotFound" in str(error) or "no JUMBF" in str(error):
            return None, {}
        raise ImageError(f"the credentials of {path.name} cannot be read ({' '.join(str(error).split())})") from error
    wrong = [status["code"] for status in read.get("validation_status", []) if status["code"] != _UNKNOWN]
    if wrong:
        raise ImageError(f"the credentials of {path.name} do not hold: {', '.join(wrong)}")
    manifest = read["manifests"][read["active_manifest"]]
    said: dict[str, Any] = next(
        (one["data"] for one in manifest["assertions"] if one["label"].startswith(ASSERTION)), {}
    )
    signed_by = manifest.get("signature_info", {})
    return str(signed_by.get("common_name") or signed_by.get("issuer") or "somebody"), said


def _manifest(title: str, values: Mapping[str, Any], phi: Tensor, version: str) -> dict[str, Any]:
    """What is claimed: opened, then enhanced or edited, there and by so much."""
    kind = source_type(str(values["task"]))
    action: dict[str, Any] = {
        "action": "c2pa.enhanced" if kind == "algorithmicallyEnhanced" else "c2pa.edited",
        "digitalSourceType": SOURCE_TYPES + kind,
        "softwareAgent": {"name": "bigprior", "version": version},
        "description": f"{values['task']}: {values['made_up']:.1%} of the variance is made up",
    }
    if found := regions(phi):
        action["changes"] = [{"region": [box], "description": "mostly made up"} for box in found]
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": ["measurement"]}}
    said = {name: values.get(name) for name in ("task", "made_up", "made_up_of", "bound", "capped", "seed", "weights")}
    return {
        "claim_generator_info": [{"name": "bigprior", "version": version}],
        "title": title,
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [opened, action]}},
            {"label": ASSERTION, "data": {name: value for name, value in said.items() if value is not None}},
        ],
    }


def regions(phi: Tensor) -> list[dict[str, Any]]:
    """Rectangles around what is mostly made up, the largest first, in percent of the picture's sides."""
    small = shrunk(phi.mean(dim=1, keepdim=True), _MAP_PX)[0, 0].numpy()
    height, width = small.shape
    parts = [part for part in regionprops(label(np.asarray(small >= 0.5))) if part.area >= min(_LEAST, small.size)]
    boxes = []
    for part in sorted(parts, key=lambda part: -part.area)[:_MOST]:
        top, left, bottom, right = (int(edge) for edge in part.bbox)
        shape: dict[str, Any] = {"type": "rectangle", "unit": "percent"}
        shape["origin"] = {"x": 100 * left / width, "y": 100 * top / height}
        shape |= {"width": 100 * (right - left) / width, "height": 100 * (bottom - top) / height}
        boxes.append({"type": "spatial", "shape": shape})
    return boxes
