# Current Packer only: `packer init` fetches the plugin. Packer 1.6.6 has it built in and rejects this block, so
# packer/packer.ts leaves this file out for it.
packer {
  required_version = ">= 1.11.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "~> 1.3"
    }
  }
}
