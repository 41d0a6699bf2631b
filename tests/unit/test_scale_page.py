"""The costs of docs/scale.md are what `tools.scale` computes."""

from __future__ import annotations

from tools import scale


def test_the_page_has_the_table_that_is_computed():
    assert f"{scale.BEGIN}\n{scale.table()}\n{scale.END}" in scale.PAGE.read_text()


def test_a_price_is_a_product():
    lines = {line.split(" | ")[0]: line for line in scale.table().splitlines()}
    assert lines["| Fargate, 1 vCPU and 2 GB each"].endswith("| $0.49 | $4.94 | $49.37 |")
    # 3,600,000 rows: as many PUTs at $5 a million, and GETs at $0.40 a million.
    assert "$19.44" in lines["| results in S3: a PUT of SageMaker's and a GET a row"]
