#!/bin/sh
# Drains against real Nomad and Vault servers, which Debian does not have: builds the last versions under the Mozilla
# licence from pinned Go modules, and runs the tests with them. Says plainly what it could not check, and why.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/.ci/go-module.sh"
nomad=v1.6.1
vault=v1.14.1
vault_sdk=v0.9.2

go_missing 'Nomad and Vault' && exit 0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/drover/orchestrators
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"
hashicorp=github.com/hashicorp

# A module's zip is without the modules that stand in its folders; they are taken as published, at the same commit.
if [ ! -x "$cache/nomad-$nomad" ]; then
  if source_of "$hashicorp/nomad@$nomad" "$work/nomad"; then
    echo "Nomad: building $nomad"
    (cd "$work/nomad" && go mod edit -dropreplace "$hashicorp/nomad/api" \
      -require "$hashicorp/nomad/api@v0.0.0-20230721134942-515895c7690c")
    built "$work/nomad" "$cache/nomad-$nomad" -mod=mod .
  else
    not_served Nomad "$hashicorp/nomad@$nomad"
  fi
fi
if [ ! -x "$cache/vault-$vault" ]; then
  if source_of "$hashicorp/vault@$vault" "$work/vault" && source_of "$hashicorp/vault/sdk@$vault_sdk" "$work/sdk"; then
    echo "Vault: building $vault"
    # Published a little later than this Vault, which does not pass its newest check of its own paths.
    sed -i '/panic(.*no ExistenceCheck/d' "$work/sdk/framework/backend.go"
    (cd "$work/vault" && for module in api api/auth/approle api/auth/kubernetes api/auth/userpass; do
      go mod edit -dropreplace "$hashicorp/vault/$module"
    done && go mod edit -require "$hashicorp/vault/sdk@$vault_sdk" -replace "$hashicorp/vault/sdk=$work/sdk")
    built "$work/vault" "$cache/vault-$vault" -mod=mod .
  else
    not_served Vault "$hashicorp/vault@$vault"
  fi
fi

cd "$here"
for name in nomad vault; do
  eval "version=\$$name"
  [ -x "$cache/$name-$version" ] || continue
  env "DROVER_$(echo "$name" | tr a-z A-Z)=$cache/$name-$version" "DROVER_REQUIRE_CONFORMANCE=$name" \
    npx vitest run --project drover "test/conformance/$name.test.ts"
done
