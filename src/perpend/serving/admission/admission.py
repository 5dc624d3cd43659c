"""Decides which request runs now and with how much thinking, which one waits, and which one is refused.

Below a model's capacity every request runs unchanged. Above it requests wait for their turn, and then get the budget
that there is time for: all that they requested, or less (see `levels`), so that the requests behind them start when
they are due. A running request is never cut or ended for others.
"""

import asyncio
from collections.abc import Callable

from perpend.accounting.ledger import Scope
from perpend.config.schema import AdmissionConfig
from perpend.errors import Overloaded, PerpendError
from perpend.serving.admission.fair_queue import Flow
from perpend.serving.admission.history import TokenHistory
from perpend.serving.admission.levels import (
    Level,
    Steps,
    candidates_of,
    kind_of,
    level_of,
    levels_below,
    lowered_to,
)
from perpend.serving.admission.metrics import AdmissionMetrics
from perpend.serving.admission.model_load import Admitted, ModelLoad, Waiting
from perpend.serving.admission.pressure import beyond_thinking, least_wait_s, level_for, yielding
from perpend.solve import Prepared, ServedModel, lowered

_LOADS = 1024
"""Number of loads at which those of idle models are dropped."""


class Admission:
    """Admits every request of a gateway after it is prepared and before it runs."""

    def __init__(
        self,
        config: AdmissionConfig,
        steps: Steps,
        resolve: Callable[[str | None], ServedModel],
        history: TokenHistory | None = None,
    ) -> None:
        """`resolve` returns a model by name. Raises PerpendError."""
        self.metrics = AdmissionMetrics(lambda: self.loads)
        self.loads: dict[str, ModelLoad] = {}
        """By model name."""
        self.history = history or TokenHistory()
        self._config = config
        self._shares = config.all_floors
        self._target_waits_s = config.all_target_waits_s
        self._steps = steps
        self._resolve = resolve

    async def admit(self, prepared: Prepared, tenant: str) -> Admitted:
        """Waits for the request's turn and returns it with the budget that it may run with; call `left` at its end.

        A tenant's own requests wait for each other first. Raises Overloaded, and PerpendError where the lowered request
        can't run.
        """
        load = self._load(prepared.model)
        if load.has_room and not load.queue:
            return load.start(prepared, prepared.clock.loop.time())
        kept = level_of(prepared, self.history)
        levels = [kept]
        if self._config.lower:
            levels += levels_below(prepared, kept, self.history, self._steps)
        flow = Flow(prepared.request.service_class or "standard", tenant)
        return await self._in_turn(load, prepared, levels, flow)

    def left(self, admitted: Admitted, spent: Scope) -> None:
        """Notes the end of a request, whatever its outcome, and starts the next ones."""
        load, prepared = admitted.load, admitted.prepared
        load.end(admitted)
        usage = spent.usage
        if usage.answer:  # otherwise it was cut before its answer
            candidates = candidates_of(prepared)
            kind = kind_of(prepared, prepared.budget.thinking // candidates)
            expected = self.history.observe(kind, usage.thinking / candidates, usage.answer / candidates)
            self.metrics.spent(load.model.name, expected * candidates, usage.output)
        if load.queue:
            self._begin(load)

    def _load(self, model: ServedModel) -> ModelLoad:
        load = self.loads.get(model.name)
        if load is None:
            if len(self.loads) >= _LOADS:
                self.loads = {name: one for name, one in self.loads.items() if one.admitted or one.queue}
            load = self.loads[model.name] = ModelLoad(model, self._shares)
        load.model = model  # the model may have been dropped and built again
        return load

    async def _in_turn(
        self, load: ModelLoad, prepared: Prepared, levels: list[Level], flow: Flow
    ) -> Admitted:
        loop = prepared.clock.loop
        waiting = Waiting(
            prepared,
            levels,
            flow,
            loop.create_future(),
            now=loop.time(),
            target_wait_s=self._target_waits_s[flow.service_class],
            max_wait_s=self._config.max_wait_s,
        )
        if (elsewhere := self._enqueued(load, waiting)) is not None:
            return elsewhere
        timer = loop.call_at(waiting.latest, self._too_late, load, waiting)
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            load.queue.remove(waiting)
            turn = waiting.turn
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # its turn had come
                admitted = turn.result()
                admitted.load.end(admitted)
                self._begin(admitted.load)
            raise
        finally:
            timer.cancel()

    def _enqueued(self, load: ModelLoad, waiting: Waiting) -> Admitted | None:
        """Queues the request and returns None, or admits it on a cheaper model. Raises Overloaded if it can't wait."""
        now, flow = waiting.arrived, waiting.flow
        hopeless = now + least_wait_s(load, flow) > waiting.latest
        full = len(load.queue) >= self._config.max_queue
        if hopeless or full or beyond_thinking(load, waiting, now):
            cheaper = self._cheaper(waiting)
            if cheaper is not None:
                return cheaper
        if hopeless:
            raise self._refused(load, waiting)
        if full:
            leaving = yielding(load, flow, self._shares, self._config.max_queue)
            if leaving is None:
                raise self._refused(load, waiting)
            load.queue.remove(leaving)
            leaving.turn.set_exception(self._refused(load, leaving))
        load.queue.add(waiting)
        return None

    def _begin(self, load: ModelLoad) -> None:
        """Starts waiting requests in turn while the model has room."""
        while load.queue and load.has_room:
            waiting = load.queue.pop()
            if waiting.turn.done():  # its client is disconnecting
                continue
            now = waiting.prepared.clock.loop.time()
            level = level_for(load, waiting, now)
            if level is None:
                waiting.turn.set_exception(self._refused(load, waiting))
                continue
            try:
                prepared = (
                    waiting.prepared if level is waiting.levels[0] else lowered_to(waiting.prepared, level)
                )
            except PerpendError as error:
                waiting.turn.set_exception(error)
                continue
            self._count(waiting, level, now)
            waiting.turn.set_result(load.start(prepared, now))

    def _too_late(self, load: ModelLoad, waiting: Waiting) -> None:
        """Refuses a request that waited too long to start, or runs it on a cheaper model."""
        if load.queue.remove(waiting) and not waiting.turn.done():
            cheaper = self._cheaper(waiting)
            if cheaper is not None:
                waiting.turn.set_result(cheaper)
            else:
                waiting.turn.set_exception(self._refused(load, waiting))

    def _cheaper(self, waiting: Waiting) -> Admitted | None:
        """Starts the request on the model's cheaper one; None where there is none with room."""
        prepared = waiting.prepared
        name = prepared.model.cheaper
        if name is None or not self._config.lower:
            return None
        try:
            load = self._load(self._resolve(name))
            if load.queue or not load.has_room:
                return None
            prepared = lowered(prepared, "load", model=load.model)
        except PerpendError:  # the prompt is too long for it, or it isn't available
            return None
        now = prepared.clock.loop.time()
        self.metrics.waited(waiting.prepared.model.name, waiting.flow.service_class, now - waiting.arrived)
        self.metrics.lowered(waiting.prepared.model.name, waiting.flow.service_class, "model")
        return load.start(prepared, now)

    def _count(self, waiting: Waiting, level: Level, now: float) -> None:
        model, service_class = waiting.prepared.model.name, waiting.flow.service_class
        kept = waiting.levels[0]
        self.metrics.waited(model, service_class, now - waiting.arrived)
        if level.candidates < kept.candidates:
            self.metrics.lowered(model, service_class, "candidates")
        elif level.thinking < kept.thinking:
            self.metrics.lowered(model, service_class, "thinking")

    def _refused(self, load: ModelLoad, waiting: Waiting) -> Overloaded:
        now = waiting.prepared.clock.loop.time()
        self.metrics.refused(load.model.name, waiting.flow.service_class)
        again_s = load.drained_in_s(now, self.history)
        return Overloaded(
            f"{load.model.name} has more to do than it can in time",
            hint=f"send it again in {again_s:.0f} s, with a later deadline, or ask another model",
            retry_after=max(1.0, again_s),
        )
