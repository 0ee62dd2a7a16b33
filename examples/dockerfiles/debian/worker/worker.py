import os
import signal

signal.signal(signal.SIGQUIT, lambda *_: None)
print("worker", os.getpid(), os.getuid(), os.getgid(), "ä€", os.environ["TZ"])
