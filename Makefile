# make demo    simulated clusters and the service on loopback: see it work (DEMO_SECONDS=20 ends it)
# make test    everything that is checked, as .ci/run runs it
# make bench   figures as ratios to a floor client, in one run
# make build   bin/kmagent and bin/ontapsim
# make crash   kill the agent at every boundary of every operation, and at moments of chance
# make gates   what a release needs beyond make test, a shard at a time: more deaths, more drawn cases (SHARD=3/4)

SHELL    := /bin/bash
GO       ?= go
FUZZTIME ?= 1000x
SHARD    ?= 1/4
FACTOR   ?= 25
DRAWN    := ./internal/gen ./internal/resource ./internal/diff ./internal/agent
RACE     := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
STATIC   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -buildid= $(if $(VERSION),-X main.release=$(VERSION))'

.PHONY: build demo test bench fmt vet lint unit swaps crash fuzz tidy gates gates-crash gates-drawn

build:
	$(STATIC) -o bin/ ./cmd/...

demo:
	@$(GO) run ./demo

bench:
	@$(GO) run ./bench

test: fmt vet lint tidy unit swaps crash fuzz
	@echo "make test: all passed"

fmt:
	@echo "== gofmt"; bad=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "not gofmt-formatted: $$bad"; exit 1; }

vet:
	@echo "== go vet"; $(GO) vet ./... && $(GO) vet -tags crashpoint ./internal/crashpoint ./internal/disk ./cmd/kmagent

lint:
	@echo "== staticcheck"; $(GO) tool -modfile=tools/go.mod staticcheck ./...

tidy:
	@echo "== go.mod"; $(GO) mod verify >/dev/null && $(GO) mod tidy -diff

unit:
	@test -n "$(RACE)" || echo "NO C COMPILER: the race detector needs one; the tests run without it"
	@echo "== go test $(RACE) -shuffle=on ./..."; $(GO) test $(RACE) -shuffle=on -timeout 10m $$($(GO) list ./... | grep -v /e2e/)

# The floor under 10,000 drawn swaps, without the race detector, which slows them tenfold.
swaps:
	@echo "== 10,000 swaps"; set -o pipefail; $(GO) test -count=1 -v -run '^TestSwapKeepsTheFloor$$' ./internal/diff | grep -v '^=== '

# Without the race detector: what counts is how the programs end. What it says is the report.
crash:
	@echo "== go test ./e2e/crash"; set -o pipefail; $(GO) test -count=1 -timeout 20m -v ./e2e/crash | grep -v '^=== '

gates: gates-crash gates-drawn

# Each shard has a seed of its own. All of them: for n in 1 2 3 4; do make gates SHARD=$n/4; done
gates-crash:
	@mkdir -p bin; set -o pipefail; n=$(firstword $(subst /, ,$(SHARD))); of=$(lastword $(subst /, ,$(SHARD))); \
	$(GO) test -count=1 -timeout 60m -v ./e2e/crash -crash.all -crash.shard=$(SHARD) -crash.seed=$$n -crash.kills=$$((100000 / of)) \
	  -crash.pairs=200 -crash.depth=3 | grep -v '^=== '; result=$$?; \
	echo "$$(git rev-parse --short HEAD) crash shard $(SHARD) seed $$n: exit $$result" >>bin/gates.ledger; exit $$result

# Each drawn property FACTOR times as long, on cases of this shard alone; how many ran is printed.
gates-drawn:
	@echo "== shard $(SHARD), $(FACTOR) times the cases of make test"; out=$$(mktemp); \
	SEED=$$(( $(firstword $(subst /, ,$(SHARD))) * 1000003 )) FACTOR=$(FACTOR) $(GO) test -count=1 -v -timeout 58m $(if $(RUN),-run '$(RUN)') $(DRAWN) >$$out 2>&1 || { cat $$out; rm -f $$out; exit 1; }; \
	grep -E '^(ok|=== RUN)|\[rapid\] OK|seed [0-9]+:' $$out; rm -f $$out

# Each fuzz target a number of times, from its corpus and beyond. By time it would fail now and then,
# whatever it finds: go test takes the end of its own deadline for a failure.
fuzz:
	@set -e; for pkg in $$($(GO) list ./internal/...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== fuzz $$pkg $$target $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg >/tmp/fuzz.$$$$ 2>&1 || { cat /tmp/fuzz.$$$$; exit 1; }; rm -f /tmp/fuzz.$$$$; \
	  done; done
