"""The page of environment variables: the one table of them. A test compares it with the source."""

from __future__ import annotations

from scripts.reference.page import Page

from seatrial.loading.settings import FROM_ENVIRONMENT, PREFIX

FROM_SETTINGS = FROM_ENVIRONMENT

READ = {
    "SEATRIAL_CACHE_DIR": "The folder of caches: results and images of preflight, images of providers. "
    "Default: `$XDG_CACHE_HOME/seatrial`, else `~/.cache/seatrial`.",
    "SEATRIAL_LOCAL_CONFINEMENT": "`plain` runs the nodes of `local` without namespaces. For tests of Seatrial itself.",
    "E2E_GITEA_API_URL": "Handed on to every process of a trial; a shared service named `gitea` sets it. "
    "Default: `http://localhost:13000/api/v1`.",
}
"""Your variables, besides the settings and other tools' variables."""

FOREIGN = {
    "XDG_STATE_HOME": "Leases and locks of all your projects are in `seatrial/` below it. Default: `~/.local/state`.",
    "XDG_CACHE_HOME": "See `SEATRIAL_CACHE_DIR`.",
    "CI": "If it is set, `--format auto` prints plain lines instead of live progress.",
    "NO_COLOR": "If it is set, output has no colours.",
    "GITHUB_ACTIONS, GITHUB_STEP_SUMMARY": "In GitHub Actions, `--format auto` adds annotations and the step summary.",
    "GH_TOKEN, GITHUB_TOKEN": "The token for the system `github-actions` and the step `dispatch_workflow`.",
    "GITHUB_REPOSITORY, GITHUB_API_URL": "The repository and the API for these, unless the document names them.",
    "LIBVIRT_DEFAULT_URI": "The daemon of the provider `libvirt`, unless the settings name one.",
    "AWS_PROFILE, AWS_REGION": "The account and region of the provider `aws`, with all others of the AWS SDK.",
    "AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET": "The account of the provider `azure`, with all others of "
    "Azure's SDK.",
    "AZURE_SUBSCRIPTION_ID": "Its subscription, unless the settings name one.",
    "ARM_ENDPOINT": "Another endpoint of Azure's Resource Manager, as for Terraform: a national cloud or a stand-in.",
    "HCLOUD_TOKEN, HCLOUD_CONTEXT, HCLOUD_CONFIG, HCLOUD_ENDPOINT": "The project of the provider `hetzner`.",
    "DIGITALOCEAN_ACCESS_TOKEN, DIGITALOCEAN_TOKEN, DIGITALOCEAN_API_URL": "The account of the provider "
    "`digitalocean`.",
    "XDG_CONFIG_HOME": "The contexts of hcloud and doctl are below it. Default: `~/.config`.",
    "GOOGLE_APPLICATION_CREDENTIALS, GOOGLE_CLOUD_PROJECT": "The key file and the project of the provider `gcp`.",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "Another endpoint of Compute Engine, as for gcloud: a stand-in.",
    "CLOUDSTACK_ENDPOINT, CLOUDSTACK_KEY, CLOUDSTACK_SECRET": "The account of the provider `cloudstack`.",
}
"""Variables of other tools, read by Seatrial."""

SET = {
    "E2E_RUN_ID": "The trial's id: put it into every name you make.",
    "E2E_TEST_NAMESPACE": "A namespace for the trial, from the pattern `flow` of `[names]`.",
    "E2E_CONTROLLER_NAMESPACE": "A second one, from the pattern `controller`.",
    "SEATRIAL_RUN_ID": "The run's id.",
    "SEATRIAL_TRIAL_ID": "The trial's id, again.",
    "SEATRIAL_PROJECT": "The folder of the project.",
    "SEATRIAL_SUITE": "The suite's name.",
    "SEATRIAL_PROVIDER": "The provider's name.",
    "SEATRIAL_DEPLOYMENT_ID": "The id of the deployment: test id and trial id.",
    "SEATRIAL_DEPLOYMENT_DIR": "The folder of the deployment, for the commands of steps and systems.",
    "SEATRIAL_PORT_": "With the name of a port of the system `command` behind it: the leased port.",
    "SEATRIAL_SERVICE_": "With the name of a shared service in capitals and `_URL`, `_ADDRESS` or `_PORT` behind it: "
    "where it is.",
    "SEATRIAL_NODE_NAME": "On a node of `local`: its name.",
    "SEATRIAL_NODE_ADDRESS": "On a node of `local`: its address.",
    "SEATRIAL_NODE_FOLDER": "On a node of `local`: its folder.",
    "SEATRIAL_BOOT_ID": "On a node of `local`: the id of this boot.",
}
"""The variables of a trial's processes."""

SET_FOR_OTHERS = {
    "TMPDIR": "A folder of the trial's own for temporary files, removed at its end; for commands on this host.",
    "GIT_CONFIG_GLOBAL": "Git settings of the trial's own; they include yours. `git config --global` changes these, "
    "from Git 2.32 on. For commands on this host.",
}
"""Variables of other tools, set for the commands of a trial."""

INTERNAL = {
    "SEATRIAL_NODE": "marks the processes of a node of `local`",
    "SEATRIAL_INIT_PID": "names the init of a node of `local` to its programs",
    "SEATRIAL_STEP_TAG": "marks the programs of a step for the sweep",
    "SEATRIAL_SERVICE": "marks the processes of a shared service",
    "SEATRIAL_STEP": "is a label, not a variable",
    "SEATRIAL_ALARM": "marks the process that ends a fault when its time is up",
    "SEATRIAL_EXEC": "marks a command in a container, to end it later",
    "SEATRIAL_ANSIBLE_EVENTS": "names the file for the events of playbooks to the callback plugin",
    "SEATRIAL_LINE": "carries your command to a shell on a node, unseen in its arguments",
    "SEATRIAL_ENV": "carries your variables to a shell on a node",
    "SEATRIAL_WIRE": "what that shell does around your command",
    "SEATRIAL_FILE": "names a file to copy, unseen in arguments",
    "SEATRIAL_FROM": "names a file to copy on this machine",
    "SEATRIAL_TO": "names its copy",
    "SEATRIAL_GIVEN_": "carries your variables into a container, unseen by its command line",
    "SEATRIAL_DEBUG": "marks the processes of a debug container's own",
    "SEATRIAL_PROCESS": "names a process of the target to a script in a debug container",
    "SEATRIAL_PYTHON": "is a placeholder in commands of the sample",
    "SEATRIAL_TRY": "is for the contract suite of providers",
}
"""Seatrial's internal variables; they may change at any time."""


def environment() -> Page:
    """Every variable."""
    page = Page("Environment variables")
    page.heading("Variables you can set")
    page.say(
        "Each of these [settings](settings.md) can be set for one command: "
        + ", ".join(f"`{PREFIX}{name.upper()}`" for name in FROM_SETTINGS)
        + ". A list has commas between its items."
    )
    page.table(("Variable", "Meaning"), _rows(READ))
    page.heading("Variables of other tools")
    page.table(("Variable", "Meaning"), _rows(FOREIGN))
    page.heading("Variables of your commands")
    page.say(
        "Every process of a trial has these in its environment: commands of steps, deployers, services, SSH sessions."
    )
    page.table(("Variable", "Meaning"), _rows(SET | SET_FOR_OTHERS))
    page.heading("Internal")
    page.say("Seatrial uses these itself. Do not rely on them: " + ", ".join(f"`{name}`" for name in INTERNAL) + ".")
    return page


def _rows(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(", ".join(f"`{name}`" for name in names.split(", ")), text) for names, text in table.items()]
