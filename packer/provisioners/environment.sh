# Read by the provisioners. With build sources at hand apt uses those and leaves the image's own alone.
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1
[ ! -f "$DROVER_INPUTS/apt.conf" ] || export APT_CONFIG="$DROVER_INPUTS/apt.conf"
