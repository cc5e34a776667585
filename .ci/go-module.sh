# Sourced by the scripts that build programs Debian does not have from pinned Go modules. Binaries are kept in the
# cache, because they take minutes to build and are found by their versions.

# go_missing WHAT: says that it was not checked, and is true, when there is no Go.
go_missing() {
  command -v go >/dev/null && return 1
  echo "$1: NOT CHECKED, there is no Go on this machine to build it with"
}

# not_served WHAT MODULE@VERSION
not_served() { echo "$1: NOT CHECKED, the Go module proxy does not serve $2"; }

# source_of MODULE@VERSION DIRECTORY: its source, to be changed and built; false if the module proxy does not serve it.
# Out of the module cache, because `go install` refuses modules that replace a dependency.
source_of() {
  mkdir -p "$2.download" &&
    (cd "$2.download" && { [ -f go.mod ] || go mod init download; } && go mod download "$1") >"$2.log" 2>&1 || return 1
  cp -r "$(go env GOMODCACHE)/$1" "$2"
  chmod -R u+w "$2"
}

# built SOURCE BINARY [GO BUILD ARGUMENTS]: only a build that has ended leaves the binary.
built() {
  (source=$1 binary=$2 && shift 2 && cd "$source" && go build -o "$binary.part" "$@") >"$1.log" 2>&1 ||
    { tail -n 20 "$1.log"; exit 1; }
  mv "$2.part" "$2"
  rm -rf "$1"
}
