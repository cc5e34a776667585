variable "inputs" {
  type        = string
  description = "Directory handed to the machine: inspect.sh and what it reads."
}
variable "archive" {
  type        = string
  description = "Where inspect.sh's answer is put on this machine."
}

# null.machine
variable "host" {
  type    = string
  default = ""
}
variable "port" {
  type    = number
  default = 22
}
variable "user" {
  type    = string
  default = ""
}
variable "ssh_private_key_file" {
  type    = string
  default = ""
}

# amazon-ebs.throwaway
variable "image" {
  type        = string
  default     = ""
  description = "The AMI to inspect."
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
variable "release" {
  type    = string
  default = ""
}
variable "endpoint" {
  type        = string
  default     = null
  description = "Another EC2 endpoint than the region's own."
}
