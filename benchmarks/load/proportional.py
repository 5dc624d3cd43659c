"""`perpend`, but for admission that lowers budgets in eighths, whatever is known of the model: what shedding by the
measured curve is compared with.

python -m benchmarks.load.proportional serve
"""

from perpend.cli.main import main
from perpend.serving.admission import start
from perpend.solve import ServedModel


def eighths(model: ServedModel, thinking: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(thinking * part // 8 for part in range(8, -1, -1)))


if __name__ == "__main__":
    start.steps_for = eighths
    main()
