"""The model card."""

from perpend.statistics import proportion
from perpend.training.card import model_card
from perpend.training.figures import Measured, TrainingReport
from perpend.training.shape import ModelShape


def test_the_card_says_how_it_was_made_and_how_good_it_is() -> None:
    measured = Measured(proportion(90, 100), 41.5, 1.0)
    report = TrainingReport(600.0, 700.0, {"grpo": {"sampled": {"chain": measured}}})
    text = model_card(
        ModelShape(280), report, parameters=888960, problems=100, command="perpend train tiny --seed 1"
    )
    assert "`perpend train tiny --seed 1`" in text
    assert "888,960" in text
    assert "| grpo | sampled | chain | 0.900 | 0.826 to 0.945 | 41.5 |" in text
