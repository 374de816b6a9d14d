"""tests/support/ministack.py as a program, which tests in other languages start."""

import json
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import ministack


class Program(unittest.TestCase):
    """It says where it is, and goes when it is let go."""

    def test_it_answers_until_its_input_is_closed(self):
        command = [sys.executable, ministack.__file__]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            said = json.loads(program.stdout.readline())
            self.assertEqual(said["endpoint"], f"http://127.0.0.1:{said['port']}")
            with urllib.request.urlopen(f"{said['endpoint']}/_ministack/health", timeout=10) as answer:
                self.assertEqual(answer.status, 200)
            program.stdin.close()
            self.assertEqual(program.wait(30), 0)
        with self.assertRaises(urllib.error.URLError):
            urllib.request.urlopen(f"{said['endpoint']}/_ministack/health", timeout=10)


if __name__ == "__main__":
    unittest.main()
