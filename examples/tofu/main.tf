# Web servers in containers, made by provisioners: no provider and no image is downloaded. Each container has the files of
# this machine, copy on write.

variable "cluster_size" {
  type    = number
  default = 3
}

variable "prefix" {
  description = "Of the containers' names."
  type        = string
  default     = "sea"
}

locals {
  names = [for number in range(var.cluster_size) : "n${11 + number}"]
}

resource "terraform_data" "web" {
  for_each = toset(local.names)
  input    = "${var.prefix}-${each.key}"

  provisioner "local-exec" {
    command = "sh ${path.module}/web.sh ${self.input}"
  }

  provisioner "local-exec" {
    when    = destroy
    command = "podman rm --force --time 0 ${self.input}"
  }
}

output "nodes" {
  value = {
    for name, web in terraform_data.web : name => {
      ansible_connection = "podman"
      ansible_host       = web.output
    }
  }
}
