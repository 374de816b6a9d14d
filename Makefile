# What people do with this repository. It needs Rust (rustup takes the version from rust-toolchain.toml),
# Python 3.11 or newer with venv, and a C compiler; its tests also need Chromium, which `make browser` installs
# on Debian and Ubuntu.
#
# Every cargo command that builds says --workspace. Demo, tests, lints and documentation then share one set
# of features, and the AWS crates, of which EC2's alone takes minutes, are compiled once and not once for each.

PYTHON ?= python3
CARGO ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
VENV := .venv/.made-from-requirements
# ministack and moto ask for different versions of the same packages, so each has its own.
MINISTACK := .venv/ministack/.made-from-requirements
LAMBDA_VENV := .venv-lambda/.made-from-requirements
MODULES := tests/browser/node_modules/.made-from-lock

.DEFAULT_GOAL := help
.PHONY: help venv browser build demo test bench bench-events bench-report bench-fanout fmt lint licenses policies \
	patterns lint-infra lambda lambda-arm64 lambda-x86_64 clean

help: ## Say what there is
	@sed -n 's/^\([a-z0-9_-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 24

venv: $(VENV) $(MINISTACK) ## Make .venv, the Python environments of the emulated AWS

$(VENV): tests/support/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Python 3.11 or newer is needed; choose one with `make PYTHON=python3.12 …`.' >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || { \
		echo 'Python cannot make virtual environments here. On Debian and Ubuntu: apt install python3-venv' >&2; \
		exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r tests/support/requirements.txt
	@touch $@

$(MINISTACK): tests/support/ministack-requirements.txt | $(VENV)
	$(PYTHON) -m venv .venv/ministack
	.venv/ministack/bin/python -m pip install --quiet --disable-pip-version-check \
		-r tests/support/ministack-requirements.txt
	@touch $@

# Without root there is nothing to install Chromium with, and without Chromium the page's tests cannot pass.
browser: $(MODULES) ## Install what opens the report page in tests: Chromium, and modules for Node
	@test -x "$${UPRIGHT_CHROMIUM:-$$(command -v chromium || echo /usr/bin/chromium)}" || { \
		as_root=; test "$$(id -u)" = 0 || as_root='sudo -n'; \
		command -v apt-get >/dev/null && $$as_root true 2>/dev/null || { \
			echo 'Chromium is needed to test the report page. On Debian: apt install chromium fonts-dejavu-core' >&2; \
			echo 'Elsewhere name one: `make UPRIGHT_CHROMIUM=/path/to/chromium …`.' >&2; exit 1; }; \
		$$as_root apt-get update --quiet && \
		$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
			chromium fonts-dejavu-core; }

$(MODULES): tests/browser/package.json tests/browser/package-lock.json | $(VENV)
	PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund --prefix tests/browser
	@touch $@

build:
	$(CARGO) build --locked --workspace

# A scan that finds something ends with 1, 3 or 4. That is what the demo is for, so only a missing report fails it.
demo: venv build ## Scan an emulated organization, and write demo/report.html
	@rm -f demo/report.json demo/report.html
	@$(TARGET)/debug/with-emulator $(TARGET)/debug/upright scan --organization --role-name UprightScanner \
		--regions us-east-1,eu-west-1 --out demo; \
	code=$$?; \
	test -s demo/report.json && test -s demo/report.html || { \
		echo "The scan wrote no report; it ended with $$code." >&2; exit 1; }; \
	echo; \
	case $$code in \
		0) meaning='everything was observed and nothing failed';; \
		1) meaning='controls failed';; \
		3) meaning='something was not observed, and nothing that was seen failed';; \
		4) meaning='controls failed, and something was not observed';; \
		*) echo "The scan ended with $$code." >&2; exit 1;; \
	esac; \
	echo "The scan ended with exit code $$code: $$meaning."; \
	echo "Open demo/report.html in a browser; demo/report.json has the same for programs."

test: venv browser ## Run all tests, the control files' own examples included
ifneq ($(shell command -v cargo-nextest),)
	$(CARGO) nextest run --locked --workspace
	$(CARGO) test --locked --workspace --doc
else
	$(CARGO) test --locked --workspace
endif

bench: venv ## Measure a scan of recorded answers
	$(CARGO) bench --locked --workspace --bench scan

bench-events: ## Measure event rules over 500,000 events, beside what reading them costs
	$(CARGO) bench --locked --workspace --bench events

bench-report: venv browser ## Measure reports of 1,000 to 100,000 findings, and the page in a browser
	$(CARGO) bench --locked --workspace --bench report

bench-fanout: venv ## Measure the last step of a scan of 1,000 accounts, and model the others
	$(CARGO) bench --locked --workspace --bench fanout

fmt: ## Format the code
	$(CARGO) fmt --all

lint: ## What .ci/run checks of the code without running it
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

licenses: ## Check licences and sources of all crates
	$(PYTHON) .ci/licenses.py

policies: build ## Write what `upright iam-policy` says into the templates of infra/
	$(PYTHON) infra/policies.py $(TARGET)/debug/upright

patterns: build ## Write what `upright events pattern` says into the templates of infra/
	$(TARGET)/debug/upright events pattern --json | $(PYTHON) infra/patterns.py

lint-infra: venv ## Check the templates of infra/
	.venv/bin/cfn-lint $(filter-out infra/prometheus-alerts.yaml,$(wildcard infra/*.yaml))

# Zig links for Amazon Linux 2023, whose glibc is 2.34. Profiles and their sizes: Cargo.toml.
lambda: lambda-arm64 lambda-x86_64 ## Make the zips for AWS Lambda: target/lambda/<architecture>/bootstrap.zip

lambda-arm64 lambda-x86_64: lambda-%: $(LAMBDA_VENV)
	PATH="$(CURDIR)/.venv-lambda/bin:$$PATH" $(CARGO) lambda build --locked --profile lambda \
		--target $(if $(filter arm64,$*),aarch64,$*)-unknown-linux-gnu.2.34 \
		--package upright-lambda --bin bootstrap --output-format zip --lambda-dir $(TARGET)/lambda/$* --flatten bootstrap
	@ls -l $(TARGET)/lambda/$*/bootstrap.zip

$(LAMBDA_VENV): infra/lambda-requirements.txt
	$(PYTHON) -m venv .venv-lambda
	.venv-lambda/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean: ## Remove what was built, the Python environment and the demo's reports
	$(CARGO) clean
	rm -rf .venv .venv-lambda tests/browser/node_modules demo upright-report
