"""A job for a CI server that runs the first scenario and keeps its report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from seatrial.app.init.files import Files

GITHUB = """\
# Written by `seatrial init --ci github`. It is yours: init never changes it again.
name: Sea trial
on:
  pull_request:
  workflow_dispatch:

# One trial at a time, and a group of its own: a run waits for none that it starts itself.
concurrency: sea-trial-${{ github.repository }}

permissions:
  contents: read

jobs:
  trial:
    runs-on: ubuntu-latest
    timeout-minutes: 60
    steps:
      - uses: actions/checkout@v4
      # The repository in which your organisation keeps Seatrial: its action.yml installs it and runs the scenario.
      - uses: your-organisation/seatrial@main # needed: the name of that repository, in place of this one
        with:
          documents: SCENARIO
"""

GITLAB = """\
# Written by `seatrial init --ci gitlab`. It is yours: init never changes it again.
sea-trial:
  image: python:3.12
  timeout: 1h
  # One trial at a time.
  resource_group: sea-trial
  rules:
    - if: $CI_PIPELINE_SOURCE == "merge_request_event"
    - if: $CI_PIPELINE_SOURCE == "web"
  variables:
    SEATRIAL: "" # needed: what pip installs, for example git+https://HOST/PATH/seatrial.git@main
  before_script:
    - pip install --quiet "${SEATRIAL:?set it in the job sea-trial}"
  script:
    - seatrial run --report-dir sea-trial-report SCENARIO
  after_script:
    - seatrial clean
  artifacts:
    when: always
    paths: [sea-trial-report]
    reports:
      junit: sea-trial-report/junit.xml
"""

JENKINS = """\
// Written by `seatrial init --ci jenkins`. It is yours: init never changes it again.
pipeline {
    agent any
    options {
        disableConcurrentBuilds()
        timeout(time: 1, unit: 'HOURS')
    }
    environment {
        SEATRIAL = '' // needed: what pip installs, for example git+https://HOST/PATH/seatrial.git@main
    }
    stages {
        stage('Sea trial') {
            steps {
                sh 'python3 -m venv .sea-trial'
                sh '.sea-trial/bin/pip install --quiet "${SEATRIAL:?set it in the Jenkinsfile}"'
                sh '.sea-trial/bin/seatrial run --report-dir "sea-trial-report/$BUILD_NUMBER" SCENARIO'
            }
        }
    }
    post {
        always {
            sh '.sea-trial/bin/seatrial clean'
            junit allowEmptyResults: true, testResults: "sea-trial-report/${env.BUILD_NUMBER}/junit.xml"
            archiveArtifacts allowEmptyArchive: true, artifacts: "sea-trial-report/${env.BUILD_NUMBER}/**"
        }
    }
}
"""


class Server(NamedTuple):
    """A CI server: the file of its jobs, and another for this one if that file exists."""

    text: str
    file: str
    beside: str = ""
    """Empty: the file holds this job alone."""
    how: str = ""
    """How the server finds the file beside its own."""


SERVERS = {
    "github": Server(GITHUB, ".github/workflows/sea-trial.yml"),
    "gitlab": Server(
        GITLAB,
        ".gitlab-ci.yml",
        ".gitlab/sea-trial.yml",
        "in .gitlab-ci.yml: include: [{local: .gitlab/sea-trial.yml}]",
    ),
    "jenkins": Server(
        JENKINS,
        "Jenkinsfile",
        "Jenkinsfile.sea-trial",
        "in Jenkins, a pipeline with the script path Jenkinsfile.sea-trial",
    ),
}


def write(files: Files, name: str, scenario: str) -> Iterator[str]:
    """Write the job; yield what a person must add."""
    server = SERVERS[name]
    file, text = server.file, server.text.replace("SCENARIO", scenario)
    if server.beside and (files.folder / file).exists() and "seatrial run" not in (files.folder / file).read_text():
        file = server.beside
    if not files.write(file, lambda: text):
        return
    for number, line in enumerate(text.splitlines(), 1):
        if "needed: " in line:
            yield f"{files.folder / file}:{number}: {line.partition('needed: ')[2]}"
    if file != server.file:
        yield server.how
