#!/bin/sh
# Makes the system what the catalogue says; see hardening/apply.sh. A profile without a catalogue has empty lists.
set -eu
. "$DROVER_INPUTS/environment.sh"
sh "$DROVER_INPUTS/hardening/apply.sh"
