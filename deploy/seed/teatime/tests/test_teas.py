"""What the timer promises about teas."""

import unittest

from teatime.teas import TEAS, find_tea


class Teas(unittest.TestCase):
    def test_found_whatever_the_case(self):
        self.assertEqual(find_tea(" Green ").celsius, 75)

    def test_unknown(self):
        with self.assertRaises(KeyError):
            find_tea("coffee")

    def test_no_water_above_boiling(self):
        self.assertTrue(all(tea.celsius <= 100 for tea in TEAS.values()))


if __name__ == "__main__":
    unittest.main()
