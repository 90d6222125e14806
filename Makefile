# make artifacts   build and check every model, run one on the sample recording
# make test        run the tests, two at a time with one thread each
# make test-slow   run those that take minutes: every entry of every checkpoint, exported and run
# make test-apps   build and test packages/js and the example apps; needs node 20, npm and chromium, for C++ also
#                  g++, cmake and nlohmann-json3-dev, for Kotlin kotlinc and libandroid-json-java, for Swift swift
#                  (swiftlang of Debian 13), and skips what is missing
# make lint        ruff and mypy
# make docs        build the documentation into build/site; warnings are errors
# make test-runtimes  check published folders (or a few short models) with the oldest and the newest
#                  onnxruntime, each in an environment that holds it and numpy alone
# make test-engines   run the published ONNX files in tract, OpenCV, OpenVINO, onnxruntime-web and onnx2torch, and
#                  write the table of docs/engines.md; needs what make artifacts publishes, and node
# make test-engines-data   run the recipes of examples/ for corpora and servers (Ray, Spark, Hugging Face datasets,
#                  Triton, the WebSocket service), each in an environment of its own; skips what is missing
# make wheels      what a package index gets: amt_export (wheel and sdist) and amt_export_models (the ONNX files of
#                  ARTIFACTS, which make artifacts publishes), in dist/
# make test-wheels install both wheels into clean environments, without and with torch, and use them as a user would
# make clean       remove everything that was generated
#
# Each target installs what it needs into $(VENV) first, once, with the versions of constraints.txt.

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: artifacts test test-slow test-apps test-runtimes test-engines test-engines-data wheels test-wheels lint docs clean

# One thread each; and glibc keeps what large arrays leave behind, where it would hand it back to the system and
# have every page cleared again for the next one: a fifth of the time of a build.
BUILD_ENV := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=2147483648 \
	MALLOC_TOP_PAD_=67108864

artifacts: $(INSTALLED)
	$(BUILD_ENV) $(BIN)/python scripts/export_all.py

test: $(INSTALLED)
	$(BUILD_ENV) $(BIN)/python -m pytest -n 2 --dist loadscope

test-slow: $(INSTALLED)
	$(BUILD_ENV) $(BIN)/python -m pytest -n 2 -m slow

test-runtimes: $(INSTALLED)
	$(BIN)/python scripts/check_runtimes.py

test-engines:
	$(PYTHON) scripts/test_engines.py

test-engines-data: build/apps/gammatone_speech_16k/manifest.json
	$(BIN)/python scripts/test_data_engines.py build/apps/gammatone_speech_16k

# What packages/js and the example apps are tried with, and where it goes: beside the artifacts, which have all
# formats. One model of each kind; most of short signals, which are built faster.
APP_MODELS := gammatone_speech_16k cochleagram_casp_44k glasberg2002_frontend_32k moore2016_loudness_32k \
	paulick2024_44k
APPS := build/apps
APP_LENGTH := --samples 8820
# Of its own length: of a shorter one the speech is so soft that rounding counts too much.
$(APPS)/moore2016_loudness_32k/manifest.json: APP_LENGTH :=
APP_TESTS := $(addprefix tests/e2e/test_,js_package.py web.py node.py cpp.py kotlin.py swift.py)

test-apps: $(APP_MODELS:%=$(APPS)/%/manifest.json)
	(cd packages/js && npm ci --silent && npm run --silent build)
	for example in web node cpp; do (cd examples/$$example && npm ci --silent) || exit 1; done
	$(BIN)/python -m pytest -rs -s $(APP_TESTS)

$(APPS)/%/manifest.json: models/%.toml | $(INSTALLED)
	$(BIN)/amt-export build $* --format onnx $(APP_LENGTH) --out $(APPS)

ARTIFACTS ?= artifacts

wheels: $(INSTALLED)
	$(BIN)/python scripts/wheels.py --artifacts $(ARTIFACTS)

test-wheels: $(INSTALLED)
	$(BIN)/python scripts/test_wheels.py --artifacts $(ARTIFACTS)

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict amt_export

# NO_MKDOCS_2_WARNING leaves out a remark about the future of mkdocs.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

$(VENV)/.docs: $(INSTALLED)
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[docs]'
	@touch $@

# setuptools comes first and without build isolation, so that it is the pinned one too.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -c constraints.txt torch==2.13.0 setuptools
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[onnx,coreml,audio,plot,test]'
	@touch $@

clean:
	rm -rf $(VENV) .venv-runtimes .venv-engines .venv-data .venv-wheels build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf packages/js/node_modules packages/js/dist examples/*/node_modules examples/web/dist examples/web/public/models examples/web/public/speech_22k.wav
	find artifacts -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
	find amt_export scripts tests -name __pycache__ -prune -exec rm -rf {} +
