#!/bin/sh
# Has the whole Trivy and the whole Grype read Drover's bill of materials: builds each, and what makes a database for it
# (test/conformance/NAME/main.go), within a pinned Go module, and runs its test with both. Says plainly when it could not,
# and why. The binaries are kept in the cache.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/.ci/go-module.sh"

go_missing 'Trivy and Grype' && exit 0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drover/scanners
mkdir -p "$cache"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CGO_ENABLED=0

# build COMMAND BINARY VARIABLE: false if the module proxy does not serve it.
build() {
  [ ! -x "$2" ] || return 0
  source_of "$module" "$work/source" || return 1
  echo "$name: building $1 of $module"
  # Within the scanner's source, so that its own go.mod and go.sum say what it is made of.
  mkdir "$work/source/cmd/$name-db"
  cp "$maker" "$work/source/cmd/$name-db/"
  built "$work/source" "$2" -ldflags "-s -w -X $3=${version#v}" "./cmd/$1"
}

# check NAME OWNER VERSION VARIABLE [EXPERIMENT]: as it is released, where the variable is what it says its version is.
check() {
  export GOEXPERIMENT="${5:-}"
  name=$1 version=$3 module=github.com/$2/$1@$3
  maker=$here/test/conformance/$name/main.go
  scanner=$cache/$name-$version
  database=$cache/$name-db-$version-$(sha256sum "$maker" | cut -c 1-16)
  { build "$name" "$scanner" "$4" && build "$name-db" "$database" "$4"; } || { not_served "$name" "$module"; return 0; }
  upper=$(echo "$name" | tr a-z A-Z)
  (cd "$here" && env "DROVER_$upper=$scanner" "DROVER_${upper}_DB=$database" "DROVER_REQUIRE_CONFORMANCE=$name" \
    npx vitest run --project drover "test/conformance/$name.test.ts")
}

check trivy aquasecurity v0.74.0 github.com/aquasecurity/trivy/pkg/version/app.ver jsonv2
check grype anchore v0.121.2 main.version
