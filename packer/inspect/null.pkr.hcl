# A machine somebody else has started and will stop.
source "null" "machine" {
  communicator         = "ssh"
  ssh_host             = var.host
  ssh_port             = var.port
  ssh_username         = var.user
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "10m"
}
