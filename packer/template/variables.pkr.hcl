variable "packer" {
  type        = string
  description = "The packer/ directory of the checkout: provisioners and chroot scripts."
}
variable "inputs" {
  type        = string
  description = "Directory handed to the provisioners: environment.sh, tailoring.xml, remediation.sh, apt.conf."
}
variable "disk" {
  type        = string
  default     = ""
  description = "Local builds: the raw disk to build on. null.chroot writes to it, qemu.vm only reads it."
}

# qemu.vm
variable "accelerator" {
  type    = string
  default = "tcg"
}
variable "cpu" {
  type    = string
  default = "max"
}
variable "seed" {
  type        = string
  default     = ""
  description = "Directory served to the machine: cloud-init's user-data and meta-data."
}
variable "ssh_private_key_file" {
  type    = string
  default = ""
}
variable "output_directory" {
  type    = string
  default = ""
}

# amazon-ebs.instance
variable "image_name" {
  type    = string
  default = ""
}
variable "distribution" {
  type    = string
  default = "debian-12"
}
variable "region" {
  type    = string
  default = ""
}
variable "instance_type" {
  type    = string
  default = "t3.small"
}
variable "subnet" {
  type    = string
  default = null
}
variable "security_group" {
  type    = string
  default = null
}
variable "instance_profile" {
  type        = string
  default     = ""
  description = "With AmazonSSMManagedInstanceCore."
}
variable "kms_key" {
  type        = string
  default     = null
  description = "Null: the account's default key for EBS."
}
variable "share_with" {
  type    = list(string)
  default = []
}
variable "lineage" {
  type        = map(string)
  default     = {}
  description = "Tags that say what the image was made from."
}
variable "endpoint" {
  type        = string
  default     = null
  description = "Another EC2 endpoint than the region's own."
}
