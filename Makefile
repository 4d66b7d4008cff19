# hadrill: failover drills with evidence. `make scorecard` and `make test` are
# the two commands a newcomer needs; everything else is in README.md.

GO       ?= go
RUNS     ?= runs
PROFILE  ?= quick
PARALLEL ?= 2
GOFLAGS_TEST ?= -count=1

# The packages that start containers or measure run one after the other: two
# of them at once would measure each other.
DRILLS   := ./scenarios/...

.PHONY: scorecard test setup tools build vet unit drills bench clean doctor

# A scorecard of real systems under real faults, on this machine: a first one
# of nginx and Redis in two minutes; all rows with `make scorecard SCENARIOS=`.
SCENARIOS ?= calibration/known-outage $(addprefix entry/nginx-upstream/,null kill failback kill-no-next-upstream) \
             $(addprefix cache/redis-sentinel/,null primary-kill primary-pause primary-partition primary-partition-unguarded)

scorecard: build
	./hadrill setup $(if $(SCENARIOS),nginx redis)
	./hadrill run --profile $(PROFILE) --parallel $(PARALLEL) --dir $(RUNS) $(SCENARIOS)
	./hadrill open $(RUNS)

# Everything: static checks, every package's tests, every drill of the profile.
test: setup tools vet unit drills

# Engine, base image and component images; quick when there is nothing to do.
setup: build
	./hadrill setup

# What only the tests need: a browser for the pages, a second kernel for netem.
tools:
	@missing=""; \
	command -v chromium >/dev/null 2>&1 || missing="$$missing chromium"; \
	command -v linux.uml >/dev/null 2>&1 || missing="$$missing user-mode-linux"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  else \
	    echo "missing for the tests:$$missing; install them (the tests that need them fail by name without)"; \
	  fi; \
	fi

# Static, so that the same file also runs inside an empty container image.
build:
	CGO_ENABLED=0 $(GO) build -o hadrill .

vet:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt-ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...

unit:
	$(GO) test $(GOFLAGS_TEST) -p 1 -timeout 30m $$($(GO) list ./... | grep -v '/scenarios$$')

drills:
	$(GO) test $(GOFLAGS_TEST) -timeout 40m -parallel 8 -v $(DRILLS)

# The figures the README and the issues speak of: n, median, p99.
bench: setup
	$(GO) test -p 1 -run '^$$' -bench . -benchmem -timeout 60m ./runner/... ./faults/... ./harness/... ./reports/...

# Ends and removes whatever a killed run left behind.
clean: build
	./hadrill clean

doctor: build
	./hadrill doctor
