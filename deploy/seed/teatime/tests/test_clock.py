"""What the timer promises about times."""

import unittest

from teatime.clock import format_time, parse_time


class ParseTime(unittest.TestCase):
    def test_minutes_and_seconds(self):
        self.assertEqual(parse_time("3m20s"), 200)

    def test_minutes_alone(self):
        self.assertEqual(parse_time("4m"), 240)

    def test_seconds_alone(self):
        self.assertEqual(parse_time("45s"), 45)

    def test_refuses_other_text(self):
        for text in ("", "soon", "3", "3h"):
            with self.subTest(text=text), self.assertRaises(ValueError):
                parse_time(text)


class FormatTime(unittest.TestCase):
    def test_minutes_and_seconds(self):
        self.assertEqual(format_time(150), "2:30")

    def test_seconds_have_two_digits(self):
        self.assertEqual(format_time(125), "2:05")


if __name__ == "__main__":
    unittest.main()
