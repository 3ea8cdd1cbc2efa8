# The same commands on a laptop and in CI. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Sphinx has an environment of its own, so that `make install` stays quick.
DOCS_VENV := .venv-docs
DOCS_STAMP := $(DOCS_VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check
# With more workers timing tests share a core. On a bigger machine: make test WORKERS=8
WORKERS ?= 2
PYTEST_ARGS ?=
BENCH_ARGS ?=
KILL_ARGS ?=
EXAMPLE_ARGS ?=
PROSE_ARGS ?=
TRUTH_ARGS ?=
# Services, container engines, virtual machines, the tools to build libvirt-python and the node images, and the parts of
# a Kubernetes node.
BACKENDS := etcd-server postgresql redis-server prometheus gh \
	podman runc netavark aardvark-dns catatonit iptables docker.io \
	libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients qemu-system-x86 qemu-utils dnsmasq-base iproute2 \
	libvirt-dev pkg-config gcc python3-dev \
	mmdebstrap e2fsprogs lz4 \
	containerd containernetworking-plugins conntrack busybox-static

# Where this is set, each command that a test starts would compile Seatrial anew: half of its time.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo docs reference example-clouds example-compose example-ansible example-consultancy example-kubernetes example-operator example-pytest example-redis example-tofu example-webapp test check prose format truth bench bench-clouds bench-kubernetes bench-machines bench-preflight bench-traps backends dist pins cluster cluster-down clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(STAMP) ## Create .venv with the pinned dependencies and this checkout (editable)

# Without libvirt's headers libvirt-python is not built, and its tests are skipped.
$(STAMP): pyproject.toml packages/stand-ins/pyproject.toml requirements/dev.txt requirements/libvirt.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"Seatrial needs Python 3.11 or newer, but $(PYTHON) is {v.major}.{v.minor}. Choose another one: make install PYTHON=python3.12")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --quiet -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e . -e packages/stand-ins
	@if pkg-config --exists libvirt 2>/dev/null; then \
		$(PIP) install --quiet -r requirements/libvirt.txt \
			|| echo "could not build libvirt-python, so the provider libvirt is not available. Run: apt-get install gcc python3-dev; make install" >&2; \
	fi
	@touch $@

demo: $(STAMP) ## Deploy a three-node service, break it, watch it recover
	$(BIN)/seatrial demo

example-ansible: $(STAMP) ## Deploy three containers with Ansible, stop one and start it again (needs Podman and `make backends`)
	$(BIN)/python -m scripts.with_tools seatrial run examples/ansible/seatrial.yaml $(EXAMPLE_ARGS)

example-clouds: $(STAMP) ## Keep the provider contract, and lose nodes of an etcd, on stand-ins of five clouds (needs root and Podman; 5 minutes)
	$(BIN)/python -m scripts.clouds $(EXAMPLE_ARGS)

example-consultancy: $(STAMP) ## Check a Django project, a worker and a site before a deployment, on this host and in containers
	$(BIN)/python -m scripts.consultancy $(EXAMPLE_ARGS)

example-pytest: $(STAMP) ## Deploy a cluster as a pytest fixture, lose nodes, and test what it still does
	$(BIN)/python -m pytest examples/pytest -p no:cacheprovider $(EXAMPLE_ARGS)

example-redis: $(STAMP) ## Deploy Redis with Sentinel by bash scripts, take the primary away, check the failover
	@command -v redis-server >/dev/null || { echo "example-redis needs redis-server: apt-get install redis-server, or sudo make backends" >&2; exit 1; }
	$(BIN)/seatrial run examples/redis/redis.yaml $(EXAMPLE_ARGS)

example-compose: $(STAMP) ## Deploy a compose file with a web site and PostgreSQL, lose the database and get it back
	$(BIN)/python -m scripts.with_tools seatrial run examples/compose/trial.yaml $(EXAMPLE_ARGS)

example-kubernetes: $(STAMP) ## Deploy two pods in a real cluster, lose one, stop and start them (needs root and `make backends`)
	$(BIN)/python -m scripts.with_tools seatrial run examples/kubernetes/trial.yaml $(EXAMPLE_ARGS)

example-operator: $(STAMP) ## Three flows of an operator at once, in one cluster, with one Git server and one Prometheus (needs root and `make backends`)
	$(BIN)/python -m scripts.operator $(EXAMPLE_ARGS)

example-tofu: $(STAMP) ## Deploy containers with OpenTofu, lose one and get it back (needs root, Podman and `make backends`)
	$(BIN)/python -m scripts.with_tools seatrial run examples/tofu/seatrial.yaml $(EXAMPLE_ARGS)

# EXAMPLE_ARGS are passed to `seatrial run`, for example '--run-test cloudstack-workflow-web-only'; --sweep only cleans up.
example-webapp: $(STAMP) ## Deploy a web app with its own GitHub Actions workflows, verify it, tear it down: four suites (needs root)
	@$(BIN)/python examples/webapp/harness/run.py $(EXAMPLE_ARGS)

test: $(STAMP) ## Run all tests, then the import contracts (tests of missing back ends are skipped, see .ci/run)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)
	$(BIN)/lint-imports --no-cache

check: $(STAMP) ## Check code and prose: ruff, mypy --strict, import contracts, codespell, the prose check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/python -m scripts.prose

prose: $(STAMP) ## Check spelling and prose against STYLE.md (PROSE_ARGS="src/seatrial/cli" lists every phrase there)
	$(BIN)/codespell
	$(BIN)/python -m scripts.prose $(PROSE_ARGS)

format: $(STAMP) ## Format the code and fix lint errors
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

truth: $(STAMP) ## Count wrong greens and wrong reds over planted faults (TRUTH_ARGS="--only ssh:", --list, --write)
	$(BIN)/python -m tests.truth $(TRUTH_ARGS)

bench: $(STAMP) ## Benchmark against Chaos Toolkit, Robot Framework and pytest (BENCH_ARGS="--runs 3")
	$(BIN)/python -m benchmarks.run $(BENCH_ARGS)

bench-machines: $(STAMP) ## Benchmark containers and virtual machines against hand-written scripts (BENCH_ARGS="--only ready,health")
	$(BIN)/python -m benchmarks.machines $(BENCH_ARGS)

bench-clouds: $(STAMP) ## Benchmark 100 machines over stand-ins of five clouds against the same calls by hand (BENCH_ARGS="--machines 10")
	$(BIN)/python -m benchmarks.clouds $(BENCH_ARGS)

bench-kubernetes: $(STAMP) ## Benchmark Deployments in a real cluster against Chainsaw (needs root, Go and `make backends`)
	$(BIN)/python -m benchmarks.kubernetes $(BENCH_ARGS)

bench-preflight: $(STAMP) ## Benchmark preflight against the same commands in a plain shell (BENCH_ARGS="--only overhead")
	$(BIN)/python -m benchmarks.preflight $(BENCH_ARGS)

bench-traps: $(STAMP) ## Set cache traps for Seatrial, turbo, moon, nx and task (BENCH_ARGS="--tools seatrial")
	$(BIN)/python -m benchmarks.cache_traps $(BENCH_ARGS)

kills: $(STAMP) ## Kill Seatrial at random moments, clean, and look for anything left (KILL_ARGS="--kills 20 --seed 7"; needs root for all)
	$(BIN)/python -m benchmarks.kills $(KILL_ARGS)

# Tests start their own services, so a temporary policy stops apt from starting any, unless the machine has a policy.
# Installed packages are not upgraded. The images are in the user's cache folder, rebuilt when their sources change;
# so are Docker Compose, OpenTofu, Gitea, Kubernetes, etcd and Helm (they need Go), ansible-core and podman-compose, by versions.
backends: ## Install the Debian packages of the back ends, build the node images and the real tools (needs root)
	@test "$$(id -u)" = 0 || { echo "make backends installs Debian packages ($(BACKENDS)) and needs root: sudo make backends" >&2; exit 1; }
	@command -v apt-get >/dev/null || { echo "make backends supports only apt-get. Install the equivalents of these packages: $(BACKENDS)" >&2; exit 1; }
	@set -e; policy=/usr/sbin/policy-rc.d; \
	if ! test -e $$policy; then \
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT HUP INT TERM; \
		printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; \
	fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq; \
	apt-get install -y -qq --no-upgrade --no-install-recommends $(BACKENDS); \
	command -v npm >/dev/null || apt-get install -y -qq --no-install-recommends nodejs npm
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "the node images and tools need Python 3.11 or newer: make backends PYTHON=python3.12")'
	$(PYTHON) -m scripts.node_images
	$(PYTHON) -m scripts.real_tools
	@rm -f $(STAMP)

cluster: $(STAMP) ## Start a Kubernetes cluster with two nodes for yourself and for tests (needs root and `make backends`)
	$(BIN)/python -m scripts.cluster up

cluster-down: $(STAMP) ## Remove it as soon as no test uses it
	$(BIN)/python -m scripts.cluster down

reference: $(STAMP) ## Write docs/reference/ anew from the code
	$(BIN)/python -m scripts.reference

docs: $(DOCS_STAMP) ## Build the site into site/; a warning or a dead link is an error
	$(DOCS_VENV)/bin/sphinx-build -n -W --keep-going -q -b html -d $(DOCS_VENV)/doctrees docs site
	@echo "The site is at site/index.html"

$(DOCS_STAMP): requirements/docs.txt
	$(PYTHON) -m venv --clear $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip --disable-pip-version-check install --quiet -r requirements/docs.txt
	@touch $@

dist: $(STAMP) ## Build the wheel and the source archive into dist/
	$(BIN)/python -m build --no-isolation

# Resolve in clean environments; review the difference before you commit it.
pins: ## Pin requirements/*.txt to the newest releases allowed by pyproject.toml
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT HUP INT TERM; \
	for set in runtime: dev:[dev]; do \
		name=$${set%%:*}; extra=$${set#*:}; \
		$(PYTHON) -m venv "$$folder/$$name"; \
		"$$folder/$$name/bin/python" -m pip --disable-pip-version-check install --quiet ".$$extra"; \
		{ sed '/^#/!d' requirements/$$name.txt; "$$folder/$$name/bin/python" -m pip --disable-pip-version-check freeze --exclude seatrial; } >"$$folder/$$name.txt"; \
		cp "$$folder/$$name.txt" requirements/$$name.txt; \
	done; \
	if pkg-config --exists libvirt; then \
		"$$folder/runtime/bin/python" -m pip --disable-pip-version-check install --quiet '.[libvirt]'; \
		{ sed '/^#/!d' requirements/libvirt.txt; "$$folder/runtime/bin/python" -m pip freeze | grep '^libvirt-python=='; } >"$$folder/libvirt.txt"; \
		cp "$$folder/libvirt.txt" requirements/libvirt.txt; \
	fi

clean: ## Remove .venv, .bench, caches, dist and site; keep reports in .seatrial
	rm -rf $(VENV) $(DOCS_VENV) .bench dist site build .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
