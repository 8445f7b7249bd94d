"""The stage clock: adds up what the runner's looks at the clock say of each stage."""

from __future__ import annotations

import statistics
from collections import defaultdict

from lambda_fast.bottleneck import COLLECTIVE, COMPUTE, GAP, HANDOVER, INPUT, STAGES, Split

WARMUP_STEPS = 3  # the first one compiles
DEVICE_STEPS = 50  # that are waited for, so that their time is known


class StageClock:
    """Sums of the host's seconds by stage.

    On a CPU a step's call returns when the step is done, so the host's seconds are the stages. A
    GPU works on while the host goes ahead: what the host waits for meanwhile costs nothing. There
    `device_seconds` of some steps, which the runner waits for, tell how long a step takes; only
    what a step took beyond that is split among the others, as the host spent its time.

    Attributes:
        callbacks: seconds by callback.
    """

    def __init__(self) -> None:
        self.callbacks: dict[str, float] = defaultdict(float)
        self._seen = 0
        self._sums = dict.fromkeys(STAGES, 0.0)
        self._device: list[float] = []
        self._end = self._paused = 0.0  # of the last step

    def step(
        self,
        begin: float,
        had_batch: float,
        end: float,
        *,
        handover: float,
        collective: float,
        paused: float,
    ) -> None:
        """Counts a step.

        Args:
            begin: clock, when the batch was asked for.
            had_batch: when it was there.
            end: when the step's call returned.
            handover: seconds of those before `had_batch` that brought the batch to the device.
            collective: seconds of sums over ranks.
            paused: seconds in all, so far, that are no training.
        """
        self._seen += 1
        if self._seen > WARMUP_STEPS:
            sums = self._sums
            sums[INPUT] += had_batch - begin - handover
            sums[HANDOVER] += handover
            sums[COLLECTIVE] += collective
            sums[COMPUTE] += end - had_batch - collective
            sums[GAP] += begin - self._end - (paused - self._paused)
        elif self._seen == WARMUP_STEPS:
            self.callbacks.clear()
        self._end, self._paused = end, paused

    @property
    def wants_device(self) -> bool:
        """Whether too few steps of the device have been timed."""
        return len(self._device) < DEVICE_STEPS

    def waited(self, seconds: float, device_seconds: float | None) -> None:
        """Counts a wait for the device after a step's call.

        Args:
            seconds: that the host waited.
            device_seconds: from the call to the end of the step, if the device was idle before.
        """
        self._end += seconds
        if self._seen > WARMUP_STEPS:
            self._sums[COMPUTE] += seconds
            if device_seconds is not None:
                self._device.append(device_seconds)

    def split(self) -> Split:
        """What was found."""
        steps = max(0, self._seen - WARMUP_STEPS)
        mean = {stage: seconds / max(1, steps) for stage, seconds in self._sums.items()}
        callbacks = {name: seconds / max(1, steps) for name, seconds in self.callbacks.items()}
        if self._device:
            gap = mean[GAP]
            mean = _device_first(mean, statistics.median(self._device))
            rest = mean[GAP] / gap if gap > 0 else 0.0
            callbacks = {name: seconds * rest for name, seconds in callbacks.items()}
        return Split(steps, sum(mean.values()), mean, callbacks)


def _device_first(host: dict[str, float], device: float) -> dict[str, float]:
    """The stages of a device that works while the host does something else.

    Args:
        host: the host's seconds of a step by stage.
        device: the device's seconds of a step.
    """
    step = sum(host.values())
    device = min(step, device)
    others = host[INPUT] + host[HANDOVER] + host[GAP]
    rest = (step - device) / others if others > 0 else 0.0
    collective = min(device, host[COLLECTIVE])
    stages = {stage: seconds * rest for stage, seconds in host.items()}
    return stages | {COLLECTIVE: collective, COMPUTE: device - collective}
