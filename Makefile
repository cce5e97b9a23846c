# make demo    simulated clusters and the service on loopback: see it work (DEMO_SECONDS=20 ends it)
# make test    everything that is checked, as .ci/run runs it
# make bench   figures as ratios to a floor client, in one run
# make gates   the drawn cases of make test, and many more: SHARD=1 is one shard, at most an hour
# make build   bin/kmagent and bin/ontapsim

SHELL    := /bin/bash
GO       ?= go
FUZZTIME ?= 3s
SHARD    ?= 1
FACTOR   ?= 25
DRAWN    := ./internal/gen ./internal/resource ./internal/diff ./internal/agent
RACE     := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
STATIC   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -buildid= $(if $(VERSION),-X main.release=$(VERSION))'

.PHONY: build demo test gates bench fmt vet lint unit fuzz tidy

build:
	$(STATIC) -o bin/ ./cmd/...

demo:
	@$(GO) run ./demo

bench:
	@$(GO) run ./bench

test: fmt vet lint tidy unit fuzz
	@echo "make test: all passed"

fmt:
	@echo "== gofmt"; bad=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$bad" || { echo "not gofmt-formatted: $$bad"; exit 1; }

vet:
	@echo "== go vet"; $(GO) vet ./...

lint:
	@echo "== staticcheck"; $(GO) tool -modfile=tools/go.mod staticcheck ./...

tidy:
	@echo "== go.mod"; $(GO) mod verify >/dev/null && $(GO) mod tidy -diff

unit:
	@test -n "$(RACE)" || echo "NO C COMPILER: the race detector needs one; the tests run without it"
	@echo "== go test $(RACE) -shuffle=on ./..."; $(GO) test $(RACE) -shuffle=on -timeout 10m ./...

# Each drawn property FACTOR times as long, on cases of this shard alone; how many ran is printed.
gates:
	@echo "== shard $(SHARD), $(FACTOR) times the cases of make test"; out=$$(mktemp); \
	SEED=$$(( $(SHARD) * 1000003 )) FACTOR=$(FACTOR) $(GO) test -count=1 -v -timeout 58m $(if $(RUN),-run '$(RUN)') $(DRAWN) >$$out 2>&1 || { cat $$out; rm -f $$out; exit 1; }; \
	grep -E '^(ok|=== RUN)|\[rapid\] OK|seed [0-9]+:' $$out; rm -f $$out

# Each fuzz target for a moment, from its corpus and beyond.
fuzz:
	@set -e; for pkg in $$($(GO) list ./internal/...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== fuzz $$pkg $$target $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg >/tmp/fuzz.$$$$ 2>&1 || { cat /tmp/fuzz.$$$$; exit 1; }; rm -f /tmp/fuzz.$$$$; \
	  done; done
