#!/bin/sh
# Has Trivy's own code read Drover's bill of materials: builds the reader of test/conformance/trivy within a pinned Go
# module, and runs the test with it. Says plainly when it could not, and why. The binary is kept in the cache.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/.ci/go-module.sh"
trivy=v0.74.0
module=github.com/aquasecurity/trivy@$trivy

go_missing Trivy && exit 0
reader=$here/test/conformance/trivy/main.go
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drover/trivy
binary=$cache/trivy-sbom-$trivy-$(sha256sum "$reader" | cut -c 1-16)
if [ ! -x "$binary" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$cache"
  echo "Trivy: building the reader with $module"
  source_of "$module" "$work/source" || { not_served Trivy "$module"; exit 0; }
  # Within Trivy's source, so that its own go.mod and go.sum say what it is made of.
  mkdir "$work/source/cmd/trivy-sbom"
  cp "$reader" "$work/source/cmd/trivy-sbom/"
  # The experiment is what Trivy is released with.
  export GOEXPERIMENT=jsonv2 CGO_ENABLED=0
  built "$work/source" "$binary" ./cmd/trivy-sbom
fi

cd "$here"
DROVER_TRIVY_SBOM=$binary DROVER_REQUIRE_CONFORMANCE=trivy \
  npx vitest run --project drover test/conformance/trivy.test.ts
