# Current Packer only: `packer init` fetches these. Packer 1.6.6 has them built in and rejects this block, so that
# packer/packer.ts leaves this file out for it.
packer {
  required_version = ">= 1.11.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = "~> 1.1"
    }
  }
}
