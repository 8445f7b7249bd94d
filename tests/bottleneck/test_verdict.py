"""What bounds a run, from where its time went; and what would help."""

import dataclasses

import pytest

from lambda_fast.bottleneck import STAGES, Ceilings, Split
from lambda_fast.bottleneck.changes import Device, changes
from lambda_fast.bottleneck.report import facts, text
from lambda_fast.bottleneck.stage_clock import WARMUP_STEPS, StageClock
from lambda_fast.bottleneck.verdict import verdict
from lambda_fast.build import recipe


def split(*milliseconds, **callbacks):
    stages = dict(zip(STAGES, (each / 1e3 for each in milliseconds), strict=True))
    return Split(100, sum(stages.values()), stages, callbacks)


@pytest.mark.parametrize(
    ("milliseconds", "bound"),
    [
        ((0, 0, 90, 8, 2), "compute"),
        ((12, 0, 80, 6, 2), "input wait"),  # made ahead, and yet waited for
        ((5, 0, 90, 3, 2), "compute"),
        ((0, 2, 50, 46, 2), "compute"),
        ((0, 2, 40, 56, 2), "collective"),
        ((12, 0, 20, 66, 2), "input wait"),
        ((15, 0, 65, 20, 0), "input wait"),
        ((0, 60, 38, 0, 2), "hand-over"),
        ((0, 0, 30, 10, 60), "host gap"),
    ],
)
def test_what_bounds(milliseconds, bound):
    found = verdict([split(*milliseconds)], [Ceilings()], shares_cores=True)
    assert found.bound == bound
    assert found.cost == pytest.approx(milliseconds[STAGES.index(bound)] / 1e3)


def test_threads_that_take_the_cores_are_input():
    alone = Ceilings(steps_alone=0.050, input_alone=0.060)
    found = verdict([split(4, 0, 95, 0, 1)], [alone], shares_cores=True)
    assert found.bound == "input wait"
    assert found.cost == pytest.approx(0.049)
    said = facts(found, 64, [])["sentence"]
    assert (
        "4.0 ms of waiting and 45.0 ms by which steps are slower beside its threads (49%)" in said
    )
    assert "With batches at hand the steps make 1,280 images/s, the run made 640." in said
    assert verdict([split(4, 0, 95, 0, 1)], [alone], shares_cores=False).bound == "compute"
    # Whatever else slows the run is not the inputter's.
    quick = Ceilings(steps_alone=0.050, input_alone=0.002)
    assert verdict([split(4, 0, 95, 0, 1)], [quick], shares_cores=True).bound == "compute"


def test_the_rank_that_comes_last_decides():
    quick, slow = split(0, 0, 40, 58, 2), split(30, 0, 60, 8, 2)
    ceilings = [Ceilings(0.05, 0.04, 0.02), Ceilings(0.06, 0.05, None)]
    found = verdict([quick, slow, quick], [*ceilings, ceilings[0]], shares_cores=False)
    assert (found.rank, found.bound) == (1, "input wait")
    assert found.late_seconds == pytest.approx(0.050)
    assert found.ceilings == Ceilings(0.06, 0.05, None)
    told = facts(found, 96, ["--set a=b"])
    assert told["sentence"].startswith("Rank 1 is late: the others wait 50.0 ms a step for it. ")
    assert "try --set a=b" in text(told)


def test_what_the_host_does_while_a_gpu_works_costs_nothing():
    clock, now = StageClock(), 0.0
    for number in range(WARMUP_STEPS + 20):
        clock.callbacks["noted"] += 0.001
        clock.step(now, now + 0.004, now + 0.005, handover=0.001, collective=0.002, paused=0.0)
        now += 0.006
        if number % 10 == 9:  # the device is 4 ms a step behind, and the host waits for it
            clock.waited(0.04, None)
            now += 0.04
        if number % 10 == 0:
            clock.waited(0.009, 0.010)
            now += 0.009
    found = clock.split()
    assert found.steps == 20
    assert found.callbacks["noted"] < 0.001  # as much of it as did not pass while the GPU worked
    assert found.stages["compute"] + found.stages["collective"] == pytest.approx(0.010)
    assert found.stages["collective"] == pytest.approx(0.002)
    assert found.step_seconds == pytest.approx(sum(found.stages.values()))
    assert found.stages["input wait"] < 0.001  # of 3 ms that the host waited


def test_pauses_are_no_gap():
    clock = StageClock()
    for number in range(WARMUP_STEPS + 4):
        clock.step(number, number + 0.1, number + 0.5, handover=0, collective=0, paused=number / 4)
    assert clock.split().stages["host gap"] == pytest.approx(0.25)


IMAGE_FILES = {"inputter.name": "image_classification_csv_inputter"}


@pytest.mark.parametrize(
    ("bound", "fields", "device", "expected"),
    [
        ("input wait", IMAGE_FILES | {"inputter.threads": 2}, {}, "inputter.threads=8"),
        ("input wait", IMAGE_FILES, {}, "inputter.cache=memory"),
        ("hand-over", IMAGE_FILES, {}, "inputter.cache=memory"),
        ("compute", {"modeler.precision": "float32"}, {}, "modeler.precision=bfloat16"),
        ("compute", {}, {"gpus": 4}, "gpu_count=4"),
        ("compute", {}, {"gpus": 1}, "batch_size_per_gpu=256 instead of 128"),
        ("collective", {}, {}, "runner.wire=bfloat16"),
        ("collective", {"runner.wire": "bfloat16"}, {}, "batch_size_per_gpu=256"),
        ("host gap", {}, {}, "callback.save_summary_steps=1000 instead of 100"),
    ],
)
def test_what_helps(bound, fields, device, expected):
    config = recipe("cifar10")
    for path, value in fields.items():
        part, name = path.split(".")
        changed = dataclasses.replace(getattr(config, part), **{name: value})
        config = dataclasses.replace(config, **{part: changed})
    told = changes(
        bound, split(0, 0, 5, 0, 5, train_summary=0.004), config, Device(8, True, **device)
    )
    assert any(expected in change for change in told), told


def test_nothing_is_promised_where_nothing_helps():
    config = recipe("cifar10")
    bfloat16 = dataclasses.replace(config.modeler, precision="bfloat16")
    config = dataclasses.replace(config, modeler=bfloat16)
    (told,) = changes("compute", split(0, 0, 9, 0, 1), config, Device(2, True))
    assert told.startswith("no setting: ")
