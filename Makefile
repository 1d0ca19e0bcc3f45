# Every target makes what it needs; on a machine with Python 3.11, pip, git and make nothing else is asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared
# Where there is no NVIDIA driver, torch comes without the gigabytes of CUDA, if its own index can be reached; else
# pip finds it wherever it usually does. `make TORCH_INDEX= ...` leaves that out; see docs/install.md. Types are checked
# by those of 2.14.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Threads that wait sleep, so that a busy machine is no slower than it has to be; see bigprior/threads.py.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: schema demo chromium calibrations calibrations-rooms test test-slow check docs sdist-test dist format results results-slow results-field dncnn generators tnrd table2-authors-priors clean

demo: $(VENV)/installed
	$(BIN)/bigprior demo --overwrite

# Side by side, each on one thread: on two cores in three fifths of the time.
test: check
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --maxprocesses 4

test-slow: $(VENV)/installed
	$(BIN)/pytest -m slow

check: $(VENV)/installed
	$(BIN)/ruff format --check src tests benchmarks examples docs/docstrings.py
	$(BIN)/ruff check src tests benchmarks examples docs/docstrings.py
	$(BIN)/mypy
	$(MAKE) --no-print-directory docs

# The documentation, strictly: a page, link or name that is not there fails. It opens from build/site/index.html.
docs: $(VENV)/installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

# What tests open pages in, from Debian's package or Ubuntu's; without it they skip.
chromium:
	apt-get update -q && apt-get install -y -q --no-install-recommends chromium

# The source distribution, unpacked and installed beside what .venv has already, passes its own tests.
UNPACKED := build/sdist
sdist-test: $(VENV)/installed
	$(BIN)/pip install --quiet build
	rm -rf $(UNPACKED)
	$(BIN)/python -m build --sdist --outdir $(UNPACKED)
	tar -xzf $(UNPACKED)/bigprior-*.tar.gz -C $(UNPACKED) --strip-components 1
	$(BIN)/python -m venv $(UNPACKED)/.venv
	$(BIN)/python -c 'import sys; print(*(p for p in sys.path if p.endswith("site-packages")), sep="\n")' \
		> "$$($(UNPACKED)/.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beside.pth"
	$(UNPACKED)/.venv/bin/pip install --quiet --no-deps $(UNPACKED)
	cd $(UNPACKED) && .venv/bin/python -m pytest tests

# Two wheels, tried where nothing of bigprior is: the program in less than 1 MB, and its weights; see docs/install.md.
# What `pip install .` installs, and the source distribution, have both in one.
SLIM := build/slim
dist: $(VENV)/installed
	$(BIN)/pip install --quiet build
	rm -rf $(SLIM) dist
	mkdir -p $(SLIM)/src
	cp -r pyproject.toml README.md LICENSE LICENSES $(SLIM)
	cp -r src/bigprior $(SLIM)/src
	rm -r $(SLIM)/src/bigprior/presets/data $(SLIM)/src/bigprior/ops/*.safetensors
	$(BIN)/python -m build --wheel --outdir dist $(SLIM)
	$(BIN)/python -m build --wheel --outdir dist packaging/weights
	packaging/try.sh $(BIN)/python dist

# The form of restoration.json, of which the source is a class.
schema: $(VENV)/installed
	$(BIN)/python -m bigprior.report > docs/reference/restoration.schema.json

# The default preset's calibrations, after its weights have changed: pictures 200-249 of each kind of scenes certify, and
# no network has learned from them. What takes turns with a network is slower, so that the middles of pictures do.
ROOMS := $(foreach set,bedroom church conference,--data $(DATA)/data/lsun_val/$(set)) --index 200-249 --fit-index 180-199
calibrations: $(VENV)/installed
	$(BIN)/bigprior calibrate --preset photographs $(ROOMS) --overwrite --task denoise --task colorize --task inpaint
	$(BIN)/bigprior calibrate --preset photographs $(ROOMS) --overwrite --side 128 \
		--task upscale --task deblur --task dejpeg --task demosaic --task denoise-poisson --task denoise+colorize --task denoise+inpaint

# The generator's are apart: each picture is inverted.
calibrations-rooms: $(VENV)/installed
	$(BIN)/bigprior calibrate --preset rooms --data $(DATA)/data/lsun_val/bedroom --index 200-249 --overwrite --task colorize
	$(BIN)/bigprior calibrate --preset rooms --data $(DATA)/data/lsun_val/bedroom --index 200-249 --overwrite --side 64 --task denoise
	$(BIN)/bigprior calibrate --preset rooms --data $(DATA)/data/lsun_val/bedroom --data $(DATA)/data/lsun_val/conference \
		--index 200-249 --fit-index 180-199 --overwrite --task inpaint

format: $(VENV)/installed
	$(BIN)/ruff format src tests benchmarks examples docs/docstrings.py
	$(BIN)/ruff check --fix src tests benchmarks examples docs/docstrings.py

# Everything that is measured on the paper's test pictures, and the page that shows it; goes on where it was interrupted.
SETS ?= bedroom church conference
TABLES ?= table2 table3 table4 table5
DNCNN := $(addprefix results/dncnn-,$(addsuffix .safetensors,denoising inpainting colorization))
results: $(VENV)/installed $(DNCNN)
	$(BIN)/pip install --quiet --editable '.[bench]'
	set -e; for set in $(SETS); do for table in $(TABLES); do \
		$(BIN)/bigprior evaluate $$table --set $$set --data $(DATA)/data/lsun_val/$$set --index 250-299 \
			--dncnn results --json results/$$table-$$set.json; \
	done; done
	set -e; for set in $(SETS); do \
		$(BIN)/bigprior evaluate figure7 --set $$set --data $(DATA)/data/lsun_val/$$set --index 250-299 \
			--lines results/table5-$$set.jsonl --json results/figure7-$$set.json; \
	done
	$(BIN)/python examples/free_pictures.py runs/free-pictures
	$(BIN)/bigprior evaluate gallery --data runs/free-pictures -o docs/images/gallery
	$(BIN)/bigprior evaluate frames --set bedroom --data $(DATA)/data/lsun_val/bedroom --index 250-299 \
		--json results/frames-bedroom.json
	$(BIN)/bigprior evaluate truth --set bedroom --data $(DATA)/data/lsun_val/bedroom --index 250-299 --side 128 \
		--json results/truth-bedroom.json
	$(BIN)/bigprior evaluate ablations --set bedroom --data $(DATA)/data/lsun_val/bedroom --index 200-249 \
		--prior-dir $(DATA)/data/mgan_col_bedroom/prior --json results/ablations.json -o runs/ablations
	$(BIN)/bigprior results results -o docs/results.md

# Methods that take minutes a picture, on four pictures, beside ours; the classical priors on 68; then the page again.
results-slow: $(VENV)/installed
	set -e; for table in $(TABLES); do \
		$(BIN)/bigprior evaluate $$table --set bedroom --data $(DATA)/data/lsun_val/bedroom --index 250-253 \
			--baselines deep-image-prior,single-code,multi-code,feature-map --json results/slow-$$table-bedroom.json; \
	done
	$(BIN)/bigprior evaluate classical --sigma 25 --data $(FIELD)/CBSD68 --json results/classical25-CBSD68.json
	$(BIN)/bigprior results results -o docs/results.md

# The field's own tables, on its standard sets; then the page again.
FIELD := $(DATA)/data/sets
results-field: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[bench]'
	set -e; for sigma in 15 25 50; do \
		$(BIN)/bigprior evaluate awgn --set CBSD68 --sigma $$sigma --data $(FIELD)/CBSD68 --json results/awgn$$sigma-CBSD68.json; \
	done
	$(BIN)/bigprior evaluate real --set CC15 --data $(FIELD)/CC15 --json results/real-CC15.json
	$(BIN)/bigprior evaluate holes --set holes256 --data $(FIELD)/holes256 --json results/holes-holes256.json
	set -e; for holes in boxes scratches; do \
		$(BIN)/bigprior evaluate holes --set CBSD68-$$holes --data $(FIELD)/CBSD68-$$holes --json results/holes-CBSD68-$$holes.json; \
	done
	$(BIN)/bigprior evaluate colours --set Kodak24 --data $(FIELD)/Kodak24 --json results/colours-Kodak24.json
	set -e; for factor in 2 3 4; do \
		$(BIN)/bigprior evaluate upscale --set Set5 --factor $$factor --data $(FIELD)/Set5 --json results/upscale$$factor-Set5.json; \
	done
	set -e; for factor in 2 4; do \
		$(BIN)/bigprior evaluate upscale --set Set14 --factor $$factor --data $(FIELD)/Set14 --json results/upscale$$factor-Set14.json; \
		$(BIN)/bigprior evaluate upscale --set CBSD68 --index 0-9 --factor $$factor --data $(FIELD)/CBSD68 \
			--json results/upscale$$factor-CBSD68.json; \
	done
	$(BIN)/bigprior evaluate deblur --set Set3c --kernel $(FIELD)/levin/1.npy --kernel $(FIELD)/levin/4.npy \
		--data $(FIELD)/Set3c --json results/deblur-Set3c.json
	$(BIN)/bigprior evaluate deblur --sigma 7.65 --kernel $(FIELD)/levin/4.npy --index 1-1 \
		--data $(FIELD)/Set3c --json results/deblur-leaves.json
	$(BIN)/bigprior evaluate demosaic --set Kodak24 --index 0-5 --baselines malvar,menon --data $(FIELD)/Kodak24 \
		--json results/demosaic-Kodak24.json
	$(BIN)/bigprior evaluate poisson --set CBSD68 --peak 4,30 --index 0-5 --data $(FIELD)/CBSD68 --json results/poisson-CBSD68.json
	$(BIN)/bigprior evaluate dejpeg --set LIVE1 --quality 10,20,40 --index 0-9 --data $(FIELD)/LIVE1 --json results/dejpeg-LIVE1.json
	$(BIN)/bigprior evaluate dejpeg --set classic5 --quality 40,20,10 --data $(FIELD)/classic5 --json results/dejpeg-classic5.json
	$(BIN)/bigprior results results -o docs/results.md

# The tables' supervised competitor: trained where it is not there yet.
dncnn: $(DNCNN)

$(DNCNN): results/dncnn-%.safetensors: | $(VENV)/installed
	$(BIN)/bigprior train dncnn --set task=$* --data $(DATA)/data/lsun_val/bedroom --out runs/dncnn-$*
	cp runs/dncnn-$*/dncnn.safetensors $@

# LR-GAN and CVAE-GAN, small, of scikit-image's photographs or, with PHOTOS=FOLDER, of one's own; then presets of theirs.
PHOTOS ?= runs/free-pictures
KIMG ?= 20
generators: $(VENV)/installed
	test -d $(PHOTOS) || $(BIN)/python examples/free_pictures.py $(PHOTOS)
	set -e; for kind in lr-gan cvae-gan; do \
		$(BIN)/bigprior train $$kind --data $(PHOTOS) --set total_kimg=$(KIMG) --out runs/$$kind; \
		$(BIN)/bigprior priors import my-$$kind runs/$$kind/generator.safetensors --overwrite; \
	done

# The reaction diffusion that comes with the package: its weights, in half precision, and its figures beside Perona and
# Malik's on photographs that it has not seen.
tnrd: $(VENV)/installed
	$(BIN)/bigprior train tnrd --settings photographs-tnrd --data $(DATA)/data/photos --out runs/tnrd
	for sigma in 15 25 50; do $(BIN)/bigprior evaluate classical --sigma $$sigma --data $(DATA)/data/photos \
		--index 3000-3009 --baselines anisotropic,tnrd; done

# Our phi network on the paper's own colorization priors, scored on the paper's test pictures (Table II, bedroom).
table2-authors-priors: $(VENV)/installed
	$(BIN)/bigprior train phi --settings authors-phi-colour --data $(DATA)/data/lsun_val/bedroom \
		--set prior_dir=$(DATA)/data/mgan_col_bedroom/prior --out runs/table2-authors-priors
	$(BIN)/bigprior evaluate table2 --set bedroom --data $(DATA)/data/lsun_val/bedroom --index 250-299 \
		--prior-dir $(DATA)/data/mgan_col_bedroom/prior --phi runs/table2-authors-priors/phi.safetensors \
		--json results/table2-authors-priors.json

# Python compiles what is imported, when it is: all that comes with torch would take a minute.
$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	if [ "$$(uname)" = Linux ] && [ -n "$(TORCH_INDEX)" ] && ! command -v nvidia-smi >/dev/null \
		&& ! $(BIN)/python -c 'import torch' 2>/dev/null; then \
		$(BIN)/pip install --quiet --retries 0 --timeout 5 --index-url $(TORCH_INDEX) 'torch>=2.14' 'torchvision>=0.29' >/dev/null 2>&1 \
			|| echo "torch without CUDA is not to be had at $(TORCH_INDEX): pip takes its usual one"; \
	fi
	$(BIN)/pip install --quiet --no-compile --editable '.[dev,docs]'
	touch $@

clean:
	rm -rf $(VENV) build dist bigprior-demo
