#!/bin/sh
# Has Trivy's own code read Drover's bill of materials: builds the reader of test/conformance/trivy from a pinned Go
# module, and runs the test with it. Says plainly when it could not, and why. The binary is kept in the cache.
set -eu

trivy=v0.74.0
module=github.com/aquasecurity/trivy@$trivy

if ! command -v go >/dev/null; then
  echo "Trivy: NOT CHECKED, there is no Go on this machine to build it with"
  exit 0
fi

here=$(cd "$(dirname "$0")/.." && pwd)
reader=$here/test/conformance/trivy/main.go
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drover/trivy
binary=$cache/trivy-sbom-$trivy-$(sha256sum "$reader" | cut -c 1-16)
if [ ! -x "$binary" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$cache" "$work/download"
  echo "Trivy: building the reader with $module"
  (cd "$work/download" && go mod init download && go mod download "$module") >"$work/log" 2>&1 || {
    echo "Trivy: NOT CHECKED, the Go module proxy does not serve $module"
    exit 0
  }
  # Within Trivy's source, so that its own go.mod and go.sum say what it is made of.
  cp -r "$(go env GOMODCACHE)/$module" "$work/source"
  chmod -R u+w "$work/source"
  mkdir "$work/source/cmd/trivy-sbom"
  cp "$reader" "$work/source/cmd/trivy-sbom/"
  # The experiment is what Trivy is released with.
  (cd "$work/source" && GOEXPERIMENT=jsonv2 CGO_ENABLED=0 go build -o "$binary.part" ./cmd/trivy-sbom) ||
    exit 1
  mv "$binary.part" "$binary"
fi

cd "$here"
DROVER_TRIVY_SBOM=$binary DROVER_REQUIRE_CONFORMANCE=trivy \
  npx vitest run --project drover test/conformance/trivy.test.ts
