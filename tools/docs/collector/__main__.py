import sys

from tools.docs.collector import page

sys.stdout.write(page())
