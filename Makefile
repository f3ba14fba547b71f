# Everything this project does, one command each. Needs Python 3.11+, make and an index; nothing else.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen
PYTEST ?= $(RUN) pytest -q

.PHONY: demo example test check prove prove-page bench bench-peers bench-full bench-page docs release lock clean

demo: .venv/ready  ## the main job on real input: the standard library's own source
	$(RUN) python examples/demo.py

example: .venv/examples  ## one of examples/: make example NAME=01_basic/01_hello
	@test -f examples/$(basename $(NAME)).py || { echo "there is no such example; give NAME= one of:"; cd examples; ls */*.py; exit 1; }
	$(RUN) python examples/$(basename $(NAME)).py $(ARGS)

docs: .venv/docs  ## the site, into site/; strict, and without a network
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

test: check .venv/examples .venv/docs  ## what CI runs
	$(PYTEST) -m "not prove"
	$(RUN) --isolated --group interop pytest -q packages/queuack-stream/tests/test_stream_others.py -k pandas

check: .venv/ready  ## format, lint, types, walls between the rooms
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) python tests/tidy.py

release: .venv/ready  ## says what a release would do, package by package; changes nothing
	@$(RUN) python tools/release.py

prove: .venv/examples .venv/docs  ## the long crash, takeover and simulation suites; what they counted: build/reliability.json
	QUEUACK_FIGURES=build/reliability.json $(PYTEST) -m prove

prove-page: .venv/ready  ## docs/reliability.md from what make prove counted
	$(RUN) python tools/reliability.py

bench: .venv/ready  ## a quick version of our own figures, in under ten minutes
	mkdir -p build/bench
	$(RUN) python -m benchmarks.queue --quick --json build/bench/queue.json
	$(RUN) python -m benchmarks.dag --quick --json build/bench/dag.json
	$(RUN) python -m benchmarks.stream --quick --json build/bench/stream.json
	$(RUN) python -m benchmarks.observability --quick --json build/bench/observability.json
	$(RUN) python -m benchmarks.report --results build/bench --page build/bench/performance.md --no-plots

bench-peers: .venv/ready  ## ours beside others, about half an hour; ARGS=--all: every one, ARGS=--quick: a look
	$(RUN) python -m benchmarks.peers --json $(PEERS_IN)/peers.json $(ARGS)
	$(if $(QUICK),$(RUN) python -m benchmarks.report --results build/bench --page build/bench/performance.md --no-plots,$(MAKE) bench-page)

QUICK = $(findstring --quick,$(ARGS))
PEERS_IN = $(if $(QUICK),build/bench,benchmarks/results)

bench-full: .venv/ready  ## all our own figures, and the page; half an hour on a quiet machine
	$(RUN) python -m benchmarks.queue --json benchmarks/results/queue.json
	$(RUN) python -m benchmarks.dag --json benchmarks/results/dag.json
	$(RUN) --group bench python -m benchmarks.stream --only queuack --json benchmarks/results/stream.json
	$(RUN) python -m benchmarks.observability --json benchmarks/results/observability.json
	$(RUN) python -m benchmarks.queue --growth --json benchmarks/results/growth.json
	$(RUN) python -m benchmarks.footprint --json benchmarks/results/footprint.json
	$(MAKE) bench-page

bench-page: .venv/ready  ## docs/performance.md from the results that are committed
	$(RUN) --group bench python -m benchmarks.report

.venv/ready: uv.lock pyproject.toml $(wildcard packages/*/pyproject.toml) | $(UV)
	$(UV) sync --frozen --all-packages
	touch $@

# What only the examples and the pages need. numpy makes pyarrow slower to import, so nobody else gets it.
.venv/examples .venv/docs: .venv/ready
	$(UV) sync --frozen --all-packages --inexact --group $(@F)
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet uv

lock: | $(UV)  ## write uv.lock anew
	$(UV) lock

clean:
	rm -rf .venv .uv dist site
