# Two commands matter: "make demo" and "make test". Each builds its own environment first.
PY := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help env demo test test-quick test-prerelease check format dashboards docs pictures reference speedups lock servers clean

help: ## show this list
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

env: ## build .venv with everything that developing needs
	@requirements/install dev

demo: ## run the five services, a broker and the collector; end with one order's whole trail
	@requirements/install demo
	@exec $(PY) -m orderflow demo $(if $(BROKER),--broker '$(BROKER)') $(if $(KEEP),--keep) $(if $(ORDERS),--orders $(ORDERS))

test: env ## run every test in two processes; those that need a server start it, or skip with the reason
	@$(PY) -m pytest -n 2 --dist loadfile $(ARGS)

test-quick: env ## run the tests that need no server and no broker, in two processes (under a minute)
	@$(PY) -m pytest --quick -n 2 --dist worksteal $(ARGS)

test-prerelease: env ## run the client tests with the newest CLIENT=name, pre-releases and next majors included
	@rm -rf build/prerelease
	@if command -v uv >/dev/null 2>&1; then \
	    uv pip install --quiet --no-deps --prerelease allow --upgrade --target build/prerelease $(CLIENT); \
	else \
	    $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --pre --target build/prerelease $(CLIENT); \
	fi
	@PYTHONPATH=build/prerelease $(PY) -m tools.prerelease $(CLIENT) $(ARGS)

check: env ## lint, types, import rules
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@PYTHONPATH=. .venv/bin/lint-imports --config tools/imports.toml

format: env ## put the code into its canonical layout
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

docs: env ## build the site of docs/ into build/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --quiet --strict

speedups: env ## compile the code that every event goes through in the collector (optional; needs a C compiler)
	@if command -v uv >/dev/null 2>&1; then \
	    VIRTUAL_ENV=$(CURDIR)/.venv uv pip install --quiet --reinstall ./speedups; \
	elif [ ! -x .venv/bin/pip ]; then \
	    echo ".venv was made with uv: put uv on PATH" >&2; exit 2; \
	else \
	    $(PY) -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps ./speedups; \
	fi

reference: env ## regenerate the generated pages of docs/
	@$(PY) -m tools.docs.library > docs/reference.md
	@$(PY) -m tools.docs.python_api > docs/reference-python.md
	@$(PY) -m tools.docs.collector > docs/reference-collector.md
	@$(PY) -m tools.docs.api_examples > docs/api.md
	@$(PY) -m tools.docs.flow_examples > docs/flow-examples.md

pictures: env ## retake the console's pictures in docs/images; DEMO=1 and BOTH=1 those of a demo that runs
	@PYTHONPATH=tests/kits:. $(PY) -m tools.docs.pictures $(if $(DEMO),--demo) $(if $(BOTH),--both)

sentences: env ## print what people read that changed between SINCE=revision and the last commit
	@$(PY) -m tools.docs.sentences '$(SINCE)'

dashboards: env ## regenerate dashboards/grafana/*.json from their source
	@$(PY) -m dashboards.source

bench-%: env ## measure: bench-instrumentation, bench-lag; a table, and build/bench/NAME.json
	@PYTHONPATH=tests/kits:tests:. $(PY) -m bench.$* $(ARGS)

servers: env ## fetch ahead what the tests fetch before their first one (Kafka from Maven Central, Jaeger, ...)
	@PYTHONPATH=tests/kits $(PY) -m servers.install

lock: ## recompile the lock files (needs uv)
	@uv pip compile pyproject.toml --all-extras --group dev --group demo --group docs --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --quiet -o requirements/dev.txt
	@uv pip compile pyproject.toml --extra kafka-python --extra pika --extra collector --group demo -c requirements/dev.txt \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet -o requirements/demo.txt
	@uv pip compile pyproject.toml --extra kafka-python --extra pika --extra collector --extra contracts --extra oidc --extra postgres -c requirements/dev.txt \
	    --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet -o deploy/requirements.txt

clean: ## remove what building and testing left
	@rm -rf .venv build dist speedups/build speedups/*.egg-info speedups/flowtrail_speedups/*.c .mypy_cache .ruff_cache .pytest_cache .hypothesis
