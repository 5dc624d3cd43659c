"""A curve's picture says of each budget what it is to shedding."""

from perpend.accounting.curves import Curve, CurvePoint, CurveSource, data_hash
from perpend.evals.reports.curve_figure import picture

RIGHT = {0: 90, 16: 20, 64: 50, 256: 99, 1024: 99}


def test_kept_knee_off_and_dip_are_marked() -> None:
    points = tuple(
        CurvePoint(budget=budget, right=(1,) * count + (0,) * (100 - count))
        for budget, count in RIGHT.items()
    )
    source = CurveSource(
        suite="mine", fingerprint="f", seeds=(0,), measured="2026-11-28", model_versions=(), runs=()
    )
    curve = Curve(
        model="m", source=source, points=points, natural_p50=50, natural_p90=200, data=data_hash(points)
    )
    drawn = picture(curve)
    assert {value["budget"]: value["is"] for value in drawn["data"]["values"]} == {
        0: "off",
        16: "in the dip",
        64: "in the dip",
        256: "knee",
        1024: "kept",
    }
    band, *_ = drawn["layer"]
    assert band["data"]["values"] == [{"budget": 16}, {"budget": 64}]
    assert drawn["title"]["subtitle"] == "mine, 100 problems × 1; under load 1,024 → 256 → off"
