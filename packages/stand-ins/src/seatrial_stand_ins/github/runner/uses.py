"""A step with `uses:`: its action, inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from seatrial.errors import nearest
from seatrial.links.forge.workflows.expressions import render, templated, value
from seatrial.links.forge.workflows.reading import read_action
from seatrial.links.forge.workflows.values import as_text
from seatrial.links.forge.workflows.workflow import ACTION_NAMES, Action, Step
from seatrial.links.forge.workflows.yaml_tree import WorkflowError
from seatrial_stand_ins.github.runner.actions import BUILT_IN
from seatrial_stand_ins.github.runner.calls import ActionCall, ActionCancelled, ActionFailed, ActionFunction
from seatrial_stand_ins.github.runner.scope import Scope, StepRunner, title

DEEPEST = 10
"""The depth of composite actions using composite actions; GitHub's limit."""


async def use(steps: StepRunner, step: Step, scope: Scope, own: Mapping[str, str], outputs: dict[str, str]) -> None:
    """Run the action of a step; ActionFailed when it fails or is unknown."""
    found = _find(steps, step.uses)
    contexts = steps.contexts(scope, own)
    functions = {"hashFiles": steps.functions(scope)["hashFiles"]}
    given = {name: render(as_text(one), contexts, functions) for name, one in step.with_.items()}
    steps.log(f"##[group]Run {step.uses}")
    if given:
        steps.log("with:")
        for name, one in given.items():
            steps.log(f"  {name}: {one}")
    steps.log("##[endgroup]")
    if isinstance(found, Path):
        await _composite(steps, step, scope, own, given, found, outputs)
    else:
        await _function(steps, step, scope, own, given, found, outputs)


def composite(steps: StepRunner, step: Step) -> bool:
    """Whether the step uses a composite action."""
    try:
        return bool(step.uses) and isinstance(_find(steps, step.uses), Path)
    except ActionFailed:
        return False


def _find(steps: StepRunner, uses: str) -> ActionFunction | Path:
    """A folder with an action in it, or a function."""
    if uses.startswith("./"):
        return steps.here.machine.workspace / uses
    if uses.startswith("docker://"):
        raise ActionFailed(f"this runner does not run {uses}: it has no containers")
    name = uses.partition("@")[0]
    if "@" not in uses:
        raise ActionFailed(f"{uses}: an action is named `owner/name@ref`, or `./folder` in this repository")
    registered = steps.here.settings.actions
    for known in (registered, BUILT_IN):
        for key, one in known.items():
            if key.lower() == name.lower():
                return one
    if name.lower().startswith("actions/setup-") or name.lower() == "ruby/setup-ruby":
        return BUILT_IN["actions/setup-*"]
    hint = nearest(name, [*registered, *BUILT_IN], what="it knows")
    raise ActionFailed(
        f"this runner does not know the action {name}; {hint}; a test may give it one: actions={{{name!r}: …}}"
    )


async def _function(
    steps: StepRunner,
    step: Step,
    scope: Scope,
    own: Mapping[str, str],
    given: Mapping[str, str],
    function: ActionFunction,
    outputs: dict[str, str],
) -> None:
    here = steps.here
    name, _, version = step.uses.partition("@")
    call = ActionCall(
        action=name,
        version=version,
        inputs={key.lower(): one for key, one in given.items()},
        env=steps.environment(scope, own),
        workspace=here.machine.workspace,
        temp=here.machine.temp,
        tools=here.machine.tools,
        run=here.run,
        host=steps,
        outputs=outputs,
    )
    try:
        await function(call)
    finally:
        shown = render(step.name, steps.contexts(scope)) if step.name else title(step, {})
        here.posts += [(shown, post) for post in call.posts]


async def _composite(
    steps: StepRunner,
    step: Step,
    scope: Scope,
    own: Mapping[str, str],
    given: Mapping[str, str],
    folder: Path,
    outputs: dict[str, str],
) -> None:
    if scope.depth >= DEEPEST:
        raise ActionFailed(f"{step.uses}: composite actions use each other more than {DEEPEST} levels deep")
    action = _read(steps, step.uses, folder)
    about = {"action_path": str(folder.resolve()), "action": "__self" if step.uses.startswith("./") else step.id}
    if not step.uses.startswith("./"):
        name, _, version = step.uses.partition("@")
        about |= {"action_repository": "/".join(name.split("/")[:2]), "action_ref": version}
    inside = Scope(
        env={**scope.env, **own},
        inputs=_inputs(steps, action, given, step),
        action=about,
        depth=scope.depth + 1,
    )
    for one in action.steps:
        if steps.due(one, inside):
            await steps.one(one, inside)
        else:
            steps.leave(one, inside, "skipped", "skipped", {})
    contexts = steps.contexts(inside)
    outputs.update({name: render(text, contexts) for name, text in action.outputs.items()})
    if inside.cancelled:
        raise ActionCancelled
    if inside.failed:
        raise ActionFailed(f"{step.uses} failed: a step of it did")


def _inputs(steps: StepRunner, action: Action, given: Mapping[str, str], step: Step) -> dict[str, Any]:
    """The `inputs` of a composite action: all are texts."""
    known = {name.lower(): name for name in action.inputs}
    if unexpected := [name for name in given if name.lower() not in known]:
        steps.annotate("warning", f"Unexpected input(s) {unexpected}, valid inputs are {sorted(action.inputs)}")
    there = {name.lower(): one for name, one in given.items()}
    contexts = {"github": steps.here.contexts["github"], "runner": steps.here.contexts["runner"]}
    fill = partial(value, contexts=contexts)
    return {
        name: there[name.lower()]
        if name.lower() in there
        else as_text(fill(one.default) if templated(one.default) else one.default)
        for name, one in action.inputs.items()
    }


def _read(steps: StepRunner, uses: str, folder: Path) -> Action:
    file = next((folder / name for name in ACTION_NAMES if (folder / name).is_file()), None)
    if file is None:
        raise ActionFailed(
            f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{folder}'. "
            "Did you forget to run actions/checkout before running your local action?"
        )
    try:
        action = read_action(file.read_text(encoding="utf-8"), f"{uses}/{file.name}")
    except WorkflowError as error:
        raise ActionFailed(str(error)) from None
    if action.using != "composite":
        raise ActionFailed(f"{uses}: this runner runs composite actions, not `using: {action.using}`")
    return action
