# make demo    simulated clusters and the service on loopback: see it work (DEMO_SECONDS=20 ends it)
# make test    everything that is checked, as .ci/run runs it
# make bench   figures as ratios to a floor client, in one run
# make build   bin/kmagent and bin/ontapsim

SHELL    := /bin/bash
GO       ?= go
FUZZTIME ?= 3s
RACE     := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)
STATIC   := CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -buildid= $(if $(VERSION),-X main.release=$(VERSION))'

.PHONY: build demo test bench fmt vet lint unit fuzz tidy

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

# Each fuzz target for a moment, from its corpus and beyond.
fuzz:
	@set -e; for pkg in $$($(GO) list ./internal/...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== fuzz $$pkg $$target $(FUZZTIME)"; \
	    $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg >/tmp/fuzz.$$$$ 2>&1 || { cat /tmp/fuzz.$$$$; exit 1; }; rm -f /tmp/fuzz.$$$$; \
	  done; done
