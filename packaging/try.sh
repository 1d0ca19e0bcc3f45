#!/bin/sh
# The wheels of a folder, each tried in an environment that has nothing of bigprior: `make dist`.
#     packaging/try.sh PYTHON DIST
# PYTHON's own packages, torch among them, are seen from there, so that nothing large is downloaded.
set -eu
python=$1
dist=$(cd "$2" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

"$python" -m venv "$place/venv"
own=$("$place/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Their editable packages stay away: a line of a .pth is only read of a site's own folder.
"$python" -c 'import sys; print(*(p for p in sys.path if p.endswith("site-packages")), sep="\n")' > "$own/beside.pth"
cd "$place"
export BIGPRIOR_HOME="$place/home" OMP_WAIT_POLICY=PASSIVE
unset PYTHONPATH
try() { "$place/venv/bin/python" -m bigprior "$@"; }

size=$(wc -c < "$(ls "$dist"/bigprior-[0-9]*.whl)")
[ "$size" -lt 1000000 ] || { echo "the wheel without weights has $size bytes: expected less than 1,000,000"; exit 1; }

"$place/venv/bin/python" -m pip install --quiet --no-deps "$dist"/bigprior-[0-9]*.whl
"$place/venv/bin/python" -c 'import bigprior, os; assert bigprior.__file__.startswith(os.getcwd()), bigprior.__file__'
"$place/venv/bin/python" - <<'PYTHON'
import numpy as np
from PIL import Image
photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
Image.fromarray(photo).save("photo.png")
Image.fromarray(photo[:, :, 0]).save("grey.png")
Image.fromarray(np.pad(np.zeros((8, 8), np.uint8), ((20, 20), (28, 28)), constant_values=255)).save("mask.png")
PYTHON
try --help > /dev/null
try priors list > /dev/null
for command in "denoise photo.png" "colorize grey.png" "inpaint photo.png --mask mask.png" "demo"; do
    code=0
    said=$(try $command 2>&1) || code=$?
    [ "$code" = 2 ] && [ "$(echo "$said" | wc -l)" = 1 ] || { echo "$command without weights ($code): $said"; exit 1; }
    case $said in *"pip install bigprior-weights"*) ;; *) echo "$command without weights: $said"; exit 1 ;; esac
done
echo "without weights ($size bytes): $said"

"$place/venv/bin/python" -m pip install --quiet --no-deps "$dist"/bigprior_weights-*.whl
for command in "denoise photo.png" "colorize grey.png" "inpaint photo.png --mask mask.png"; do
    try $command --only restored | head -n 1
done
