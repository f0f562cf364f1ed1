"""``python -m monitor`` is ``diemcau``."""

from monitor.cli import main

main()
