# Sourced by the scripts that build programs Debian does not have from pinned Go modules. Binaries are kept in the
# cache, because they take minutes to build and are found by their versions.

# go_missing WHAT: says that it was not checked, and is true, when there is no Go.
go_missing() {
  command -v go >/dev/null && return 1
  echo "$1: NOT CHECKED, there is no Go on this machine to build it with"
}

# not_served WHAT MODULE@VERSION
not_served() { echo "$1: NOT CHECKED, the Go module proxy does not serve $2"; }

# patiently LOG COMMAND...: true when it succeeds within three tries, since what it downloads may hiccup.
patiently() {
  log=$1 && shift
  for try in 1 2 3; do
    "$@" >"$log" 2>&1 && return
    [ "$try" = 3 ] || echo "try $try of 3 failed: $(tail -n 1 "$log")"
  done
  return 1
}

# source_of MODULE@VERSION DIRECTORY: its source, to be changed and built; false if the module proxy does not serve it.
# Out of the module cache, because `go install` refuses modules that replace a dependency.
source_of() {
  mkdir -p "$2.download"
  [ -f "$2.download/go.mod" ] || printf 'module download\n' >"$2.download/go.mod"
  patiently "$2.log" go mod download -C "$2.download" "$1" || return 1
  cp -r "$(go env GOMODCACHE)/$1" "$2"
  chmod -R u+w "$2"
}

# built SOURCE BINARY [GO BUILD ARGUMENTS]: only a build that has ended leaves the binary.
built() {
  source=$1 binary=$2 && shift 2
  patiently "$source.log" go build -C "$source" -o "$binary.part" "$@" || { tail -n 20 "$source.log"; exit 1; }
  mv "$binary.part" "$binary"
  rm -rf "$source"
}
