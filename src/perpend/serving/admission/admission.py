"""Who is answered now, with how much thinking, who waits, and who isn't answered at all.

Below a model's capacity every request passes as it is. Above it requests wait for their turn, and at their turn they
are given what there is time for: all that they asked for, or less (see `levels`), so that those behind them begin when
they are due. What was begun is never cut, nor ended for others.
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
"""Models whose load is remembered while they have none."""


class Admission:
    """All requests of a gateway pass here, between being prepared and being run."""

    def __init__(
        self,
        config: AdmissionConfig,
        steps: Steps,
        resolve: Callable[[str | None], ServedModel],
        history: TokenHistory | None = None,
    ) -> None:
        """`resolve` finds a model's cheaper one."""
        self.metrics = AdmissionMetrics(lambda: self.loads)
        self.loads: dict[str, ModelLoad] = {}
        """By the models' names."""
        self.history = history or TokenHistory()
        self._config = config
        self._shares = config.all_floors
        self._target_waits_s = config.all_target_waits_s
        self._steps = steps
        self._resolve = resolve

    async def admit(self, prepared: Prepared, tenant: str) -> Admitted:
        """Once it's its turn, as it may be run; `left` follows. Requests of one tenant wait for each other first.

        Raises Overloaded.
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
        """It ended, however it did: the next ones begin."""
        load, prepared = admitted.load, admitted.prepared
        load.end(admitted)
        usage = spent.usage
        if usage.answer:  # else it was cut before it came to its answer
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
        load.model = model  # it may have been forgotten, and made anew
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
            if turn.done() and not turn.cancelled() and turn.exception() is None:  # it had come
                admitted = turn.result()
                admitted.load.end(admitted)
                self._begin(admitted.load)
            raise
        finally:
            timer.cancel()

    def _enqueued(self, load: ModelLoad, waiting: Waiting) -> Admitted | None:
        """None: it waits now. A cheaper model may answer instead. Raises Overloaded where it can't wait."""
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
        """Let those begin whose turn it is, while there is room."""
        while load.queue and load.has_room:
            waiting = load.queue.pop()
            if waiting.turn.done():  # its client is going away
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
        """It waited for as long as there was sense in it."""
        if load.queue.remove(waiting) and not waiting.turn.done():
            cheaper = self._cheaper(waiting)
            if cheaper is not None:
                waiting.turn.set_result(cheaper)
            else:
                waiting.turn.set_exception(self._refused(load, waiting))

    def _cheaper(self, waiting: Waiting) -> Admitted | None:
        """Begun at once on the model's cheaper one, where it has one with room for it."""
        prepared = waiting.prepared
        name = prepared.model.cheaper
        if name is None or not self._config.lower:
            return None
        try:
            load = self._load(self._resolve(name))
            if load.queue or not load.has_room:
                return None
            prepared = lowered(prepared, "load", model=load.model)
        except PerpendError:  # it has no room for the prompt, or can't be had here
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
