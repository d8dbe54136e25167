"""The promise of `docs/design.md`, section 1, as a small model that can be explored whole.

One session is ended while another ending, with a change number of its own, runs beside it. Redis
fails, comes back and loses entries; one worker beats, dies, and is asked for the session again and
again, each step in any order with all others and as slowly as can be. The worker may be the one
that ends the session, or another one; it may ask Redis every time, or answer from memory alone
while it hears messages, which arrive or are lost. A second worker is there as the place of the
other ending: workers read nothing of one another, so what each is asked can be looked at alone.

Time is counted in ages, which stop at a second: so the states are finite, and all are visited.
"""

from collections.abc import Iterator

from tests.model.exploring import Broken
from tests.model.promise_states import SECOND, Beat, Ending, Request, Rules, State, Worker

REFUSED, LET_IN, ENDED_LET_IN = "refused", "let in", "an ended session is let in, as it may be"
UNAVAILABLE = "nobody can tell"
Step = tuple[str, State]


def steps(state: State, rules: Rules) -> Iterator[Step]:
    """Yield all that may happen next. Raises Broken where an answer breaks the promise."""
    yield "a tick", _later(state)
    yield from _ending_steps(state, rules)
    yield from _redis_steps(state)
    yield from _beat_steps(state, rules)
    yield from _request_steps(state, rules)
    if rules.memory:
        yield from _message_steps(state, rules)
    yield "the worker is replaced", _replaced(state, rules)


def _later(state: State) -> State:
    first, worker, beat = state.first, state.worker, state.worker.beat
    if first.step == "answered":
        first = first._replace(age=min(first.age + 1, SECOND))
    if beat:
        beat = beat._replace(age=min(beat.age + 1, SECOND))
    worker = worker._replace(age=min(worker.age + 1, SECOND), beat=beat)
    return state._replace(first=first, worker=worker)


def _ending_steps(state: State, rules: Rules) -> Iterator[Step]:
    first, other = state.first, state.other
    for name, this, beside in (("first", first, other), ("other", other, first)):
        if name == "other" and not rules.beside:
            continue
        locked = rules.numbers_commit_in_order and beside.step == "numbered"
        if this.step == "idle" and not locked:
            number = max(state.counter, beside.number) + 1
            numbered = this._replace(step="numbered", number=number)
            yield f"{name} takes {number}", state._replace(**{name: numbered})
        if this.step == "numbered":
            committed = {name: this._replace(step="committed")}
            counter = max(state.counter, this.number)
            yield f"{name} commits", state._replace(counter=counter, **committed)
            if rules.numbers_commit_in_order:  # else numbers would grow without end
                yield f"{name} rolls back", state._replace(**{name: Ending()})
    if first.step == "numbered" and not rules.commit_before_publishing:
        yield "published before the commit", state._replace(listed=state.listed or state.redis_up)
    if first.step == "committed":
        yield "published and answered", _answered(state, rules)


def _answered(state: State, rules: Rules) -> State:
    """The ending worker remembers, tells Redis, and says what Redis said."""
    done = state.redis_up or not rules.done_means_taken
    return state._replace(
        first=state.first._replace(
            step="answered", intact=done, on_the_way=state.worker.hears and state.redis_up
        ),
        listed=state.listed or state.redis_up,
        worker=state.worker._replace(
            remembers=state.worker.remembers or rules.own,
            told=state.worker.told or not state.worker.hears,
        ),
    )


def _message_steps(state: State, rules: Rules) -> Iterator[Step]:
    """Messages arrive late or never; who loses its ear knows it, and begins anew."""
    worker, first = state.worker, state.first
    missed = first.step == "answered"
    if first.on_the_way:
        gone = state._replace(first=first._replace(on_the_way=False))
        yield "the message is lost", gone
        yield "the message arrives", gone._replace(worker=_doubting(worker, rules, told=True))
    if worker.hears:
        deaf = worker._replace(hears=False, told=worker.told or missed)
        yield "the ear is lost", state._replace(first=first._replace(on_the_way=False), worker=deaf)
    elif state.redis_up:
        listening = worker._replace(hears=True)
        if rules.doubt_when_listening_begins:
            listening = _doubting(listening, rules, told=worker.told)
        yield "it listens", state._replace(worker=listening)


def _doubting(worker: Worker, rules: Rules, *, told: bool) -> Worker:
    beat = worker.beat
    if beat and rules.doubt_outlives_beats_begun:
        beat = beat._replace(settles=False)
    return worker._replace(doubts=True, told=told, beat=beat)


def _redis_steps(state: State) -> Iterator[Step]:
    request = state.request and state.request._replace(redis_due=False)
    if state.redis_up:
        yield "Redis fails", state._replace(redis_up=False, request=request)
    else:
        yield "Redis is back", state._replace(redis_up=True)
    if state.listed:
        first = state.first._replace(intact=False)
        lost = state._replace(listed=False, first=first, request=request)
        yield "Redis loses the entry", lost
    elif state.redis_up and state.first.is_committed:
        yield "the housekeeper publishes", state._replace(listed=True)


def _beat_steps(state: State, rules: Rules) -> Iterator[Step]:
    worker, beat = state.worker, state.worker.beat
    if beat is None:  # it starts with its first read: to wait before it would only make it older
        yield from _next_read(state, Beat(worker.seen), rules)
        return
    seen = None if rules.whole_after_an_error else worker.seen
    yield "SQL fails the beat", state._replace(worker=worker._replace(beat=None, seen=seen))
    if beat.newest is None or not beat.has_rows:
        yield from _next_read(state, beat, rules)
    else:
        age = beat.age if rules.age_from_start else 0
        doubts = worker.doubts and not beat.settles
        read = worker._replace(beat=None, age=age, seen=beat.newest, doubts=doubts)
        yield "the beat is over", state._replace(worker=read)


def _next_read(state: State, beat: Beat, rules: Rules) -> Iterator[Step]:
    if beat.newest is None and (rules.counter_before_rows or beat.has_rows):
        seen = state.worker.seen if rules.whole_after_an_error else state.counter
        beat = beat._replace(newest=state.counter)
        counted = state.worker._replace(beat=beat, seen=seen)
        yield "the counter is read", state._replace(worker=counted)
    else:
        yield "the rows are read", state._replace(worker=_with_rows(state, beat))


def _with_rows(state: State, beat: Beat) -> Worker:
    """Read what has changed since; nothing where the counter stands as it stood."""
    since = -1 if beat.since is None else beat.since
    rows = []
    if beat.newest is None or beat.newest > since:
        rows = [ending.number for ending in (state.first, state.other)
                if ending.is_committed and ending.number > since]  # fmt: skip
    if beat.newest is not None and beat.since is not None:
        beat = beat._replace(newest=max(beat.newest, *rows, 0))
    remembers = state.worker.remembers or state.first.number in rows
    return state.worker._replace(remembers=remembers, beat=beat._replace(has_rows=True))


def _replaced(state: State, rules: Rules) -> State:
    """The worker dies, and its ending and its request with it; the next has no memory."""
    first = state.first
    if rules.own and first.step == "numbered":
        first = Ending()
    elif rules.own and first.step == "committed":
        first = first._replace(step="unanswered")
    fresh = Worker() if rules.first_read_is_whole else Worker(seen=state.counter, age=0)
    if rules.memory:
        told = first.step == "answered"
        first, fresh = first._replace(on_the_way=False), fresh._replace(told=told)
    return state._replace(first=first, worker=fresh, request=None)


def _request_steps(state: State, rules: Rules) -> Iterator[Step]:
    """The guard's table. What follows a question at once is one step with it: later is easier."""
    request, worker = state.request, state.worker
    if request is None:
        yield _asked(state, rules)
    elif request.step == "memory":
        yield _asked_memory(state, rules)
    elif request.step == "redis":
        yield _asked_redis(state)
    elif worker.age < SECOND:
        yield _refused(state) if worker.remembers and rules.ask_memory_again else _let_in(state)
    elif request.step == "pulse":
        by_redis_alone = request.redis_answers and not rules.look_when_stale
        yield _let_in(state) if by_redis_alone else ("a look is wanted", _at(state, "look"))
    elif request.redis_answers:  # no look in time: the worker is cut off from SQL
        yield _let_in(state._replace(request=request._replace(second_due=False)))
    else:
        yield UNAVAILABLE, state._replace(request=None)


def _asked(state: State, rules: Rules) -> Step:
    if state.worker.remembers:
        return _refused(state)
    first = state.first
    redis_due = first.intact and state.redis_up and (state.worker.told or not rules.memory)
    second_due = first.step == "answered" and first.age == SECOND
    step = "redis" if rules.ask_redis else "pulse"
    request = Request(step, redis_due, second_due, redis_answers=not rules.ask_redis)
    if rules.memory:
        alone = rules.alone_before_memory and _may_answer_alone(state.worker, rules)
        request = request._replace(step="memory", alone=alone)
        return "may memory answer alone?", state._replace(request=request)
    return "memory knows nothing", state._replace(request=request)


def _may_answer_alone(worker: Worker, rules: Rules) -> bool:
    fresh = worker.age < SECOND or not rules.alone_while_fresh
    return worker.hears and fresh and not worker.doubts and worker.seen is not None


def _asked_memory(state: State, rules: Rules) -> Step:
    assert state.request is not None
    alone = state.request.alone
    if rules.alone_before_memory:
        if state.worker.remembers:
            return _refused(state)
    else:  # memory was asked when the request set out
        alone = _may_answer_alone(state.worker, rules)
    return _let_in(state) if alone else ("memory knows nothing", _at(state, "redis"))


def _asked_redis(state: State) -> Step:
    assert state.request is not None
    if state.redis_up and state.listed:
        return _refused(state)
    request = state.request._replace(step="pulse", redis_answers=state.redis_up)
    said = "Redis knows nothing" if state.redis_up else "Redis does not answer"
    return said, state._replace(request=request)


def _at(state: State, step: str) -> State:
    assert state.request is not None
    return state._replace(request=state.request._replace(step=step))


def _refused(state: State) -> Step:
    if not state.first.is_committed:
        raise Broken("a session that goes on is refused")
    return REFUSED, state._replace(request=None)


def _let_in(state: State) -> Step:
    request = state.request
    assert request is not None
    if request.redis_due:
        raise Broken("an ended session is let in although Redis knows of it")
    if request.second_due:
        raise Broken("an ended session is let in a second after the answer")
    name = ENDED_LET_IN if state.first.step == "answered" else LET_IN
    return name, state._replace(request=None)
