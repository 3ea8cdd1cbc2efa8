import unittest

from shop.prices import gross


class Prices(unittest.TestCase):
    def test_tax_is_added_and_rounded(self) -> None:
        self.assertEqual(gross(1000), 1190)
        self.assertEqual(gross(3), 4)
