from __future__ import annotations

import pytest

from seatrial.model import json_text


def test_nan_is_not_json_and_infinity_is_a_number() -> None:
    for text in ('{"lag": NaN}', b"[1, NaN]"):
        with pytest.raises(ValueError, match="NaN is not a value of JSON"):
            json_text.loads(text)
    assert json_text.loads("[Infinity, -Infinity]") == [float("inf"), float("-inf")]
    assert json_text.loads("[NaN]", parse_constant=lambda _: None) == [None]
