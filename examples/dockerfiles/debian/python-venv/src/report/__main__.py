import sys

from report import KINDS

print(sys.prefix, [kind for kind in KINDS if kind in sys.argv])
