# Every target describes itself after `##`; `make` alone prints them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
export CGO_ENABLED ?= 0
TOOLS := $(CURDIR)/.cache/tools
PKGS  := ./...

.PHONY: help all build demo test unit race e2e sim lint fmt generate bench fuzz clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

all: build lint test ## Build, lint and test

demo: ## Count the words of the Go source tree of this machine on an embedded cluster
	@go run ./examples/wordcount --input "$$(go env GOROOT)/src" --top 15

build: ## Static binaries into bin/
	@mkdir -p bin
	go build -trimpath -o bin/ ./cmd/...

test: lint unit race e2e ## Everything that must pass

unit: ## Unit tests, in seconds
	go vet $(PKGS)
	go test $(PKGS)

race: ## Unit tests with the race detector
	CGO_ENABLED=1 go test -race -short $(PKGS)

sim: ## Simulated clusters with many seeds (SEEDS=n, SEED=n for one)
	go test ./internal/sim -run TestSeeds -seeds $(or $(SEEDS),2000) $(if $(SEED),-seed $(SEED))

e2e: build ## Real processes: clusters, kills, bad inputs
	go test -tags e2e -timeout 20m ./test/e2e $(E2EFLAGS)

lint: $(TOOLS)/golangci-lint ## gofmt, go vet, golangci-lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go' ':!*.pb.go' ':!*_go127.go'))" || { gofmt -l $$(git ls-files '*.go' ':!*.pb.go' ':!*_go127.go'); echo "run make fmt"; exit 1; }
	@# unparam looks into files for other compilers, too, and says on standard error what it cannot read.
	$(TOOLS)/golangci-lint run $(PKGS) 2> >(grep -v '_go127\.go:.* method must have no type parameters' >&2)

fmt: ## Format all Go files
	gofmt -w $$(git ls-files '*.go' ':!*.pb.go' ':!*_go127.go')

generate: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-grpc ## Generated code and pages (needs protoc)
	PATH="$(TOOLS):$$PATH" protoc -I. --go_out=. --go_opt=module=github.com/flink-go/flink-go \
	  --go-grpc_out=. --go-grpc_opt=module=github.com/flink-go/flink-go rpc/proto/*.proto
	go generate $(PKGS)

bench: build ## Benchmarks beside Apache Flink (FLINK_HOME=dir of a 2.2.1 distribution); see docs/benchmarks.md
	bench/run.sh $(BENCH)

fuzz: ## Each fuzz target for FUZZTIME (default 20s)
	@go list -f '{{.Dir}}' $(PKGS) | while read -r d; do \
	  grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$d"/*_test.go 2>/dev/null | sed 's/func //' | while read -r f; do \
	    echo "== $$d $$f"; (cd "$$d" && go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(or $(FUZZTIME),20s) .); done; done

clean: ## Remove what make made
	rm -rf bin .cache

# Tools are pinned in tools/go.mod.
$(TOOLS)/golangci-lint: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && GOBIN= go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(TOOLS)/protoc-gen-go: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && go build -o $@ google.golang.org/protobuf/cmd/protoc-gen-go

$(TOOLS)/protoc-gen-go-grpc: tools/go.mod
	@mkdir -p $(TOOLS)
	cd tools && go build -o $@ google.golang.org/grpc/cmd/protoc-gen-go-grpc
